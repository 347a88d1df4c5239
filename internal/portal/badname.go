package portal

import (
	"errors"
	"net/http"
	"net/url"

	"primum/internal/answer"
	"primum/internal/wire"
	"primum/thing/id"
)

// badNamePage says to a person that what was scanned or typed is no name.
type badNamePage struct {
	frame
	Typed bool   // any name was asked for, not a product code
	Part  string // which part is wrong: an application identifier, or the like
	Why   string
}

// BadName answers a browser that asked for a GS1 Digital Link which is none, or
// for a name at wire.ResolvePath: 400, with the reason in the visitor's language.
// What was asked is not repeated. Headers are those of OpenPages; it has no limit
// of its own.
func (p *Portal) BadName(w http.ResponseWriter, r *http.Request, err error) {
	d := badNamePage{frame: p.nameFrame(w, r, ""), Typed: r.URL.Path == wire.ResolvePath}
	say := p.words(d.Lang)
	d.Title = say("openpage.bad.title")
	if d.Typed {
		d.Title = say("openpage.badname.title")
	}
	if bad, ok := errors.AsType[*id.Error](err); ok {
		d.Part = bad.Unquoted().Part
		d.Why = say("name.fault."+string(bad.Fault), "Want", bad.Want)
	}
	p.show(w, http.StatusBadRequest, "badname.html", d.Lang, d)
}

// nothingPage says to a person that a name is one, and that nobody has said
// anything about it here.
type nothingPage struct {
	frame
	Code string // of the class; empty where the name has none
}

// NothingOf answers a browser that asked for a name of which nothing is known
// here: 404. k is the name's key, or none: the page is about its class, whatever
// single object was asked for. Headers are those of OpenPages.
func (p *Portal) NothingOf(w http.ResponseWriter, r *http.Request, k id.Key) {
	class := k.Class()
	d := nothingPage{frame: p.nameFrame(w, r, class.Path()), Code: class.ElementString()}
	d.Title = p.words(d.Lang)("openpage.none.title")
	p.show(w, http.StatusNotFound, "nothing.html", d.Lang, d)
}

// nameFrame is the frame of a page about a name that was asked for, with the
// headers of OpenPages. At wire.ResolvePath the name stands in the query: the way
// to other languages is that of its class.
func (p *Portal) nameFrame(w http.ResponseWriter, r *http.Request, class string) frame {
	secure(w.Header(), p.cfg.TLS) // no-store: what is no code can still name one thing
	w.Header().Set("Content-Security-Policy", scriptless())
	answer.Vary(w.Header(), "Accept")
	f := p.frame(w, r)
	if r.URL.Path == wire.ResolvePath {
		if f.Languages = nil; class != "" {
			f.inLanguages(url.Values{"id": {class}})
		}
	}
	return f
}

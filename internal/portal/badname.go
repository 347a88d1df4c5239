package portal

import (
	"errors"
	"net/http"

	"primum/thing/id"
)

// badNamePage says to a person that what was scanned or typed is no product code.
type badNamePage struct {
	frame
	Part string // which part is wrong: an application identifier, or the like
	Why  string
}

// BadName answers a browser that asked for a GS1 Digital Link which is none:
// 400, with the reason in the visitor's language. The code itself is not
// repeated. Headers are those of OpenPages; it has no limit of its own.
func (p *Portal) BadName(w http.ResponseWriter, r *http.Request, err error) {
	secure(w.Header(), p.cfg.TLS)
	w.Header().Set("Content-Security-Policy", scriptless())
	w.Header().Set("Cache-Control", "no-store") // what is no code can still name one thing
	w.Header().Add("Vary", "Accept")
	d := badNamePage{frame: p.frame(w, r)}
	say := p.words(d.Lang)
	d.Title = say("openpage.bad.title")
	if bad, ok := errors.AsType[*id.Error](err); ok {
		d.Part = bad.Unquoted().Part
		d.Why = say("name.fault."+string(bad.Fault), "Want", bad.Want)
	}
	p.show(w, http.StatusBadRequest, "badname.html", d.Lang, d)
}

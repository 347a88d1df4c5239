package gs1door

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"primum/internal/linkset"
)

// Bounds of the answers that wait ready: about 30 MB, and 80 MB at most.
const (
	maxReady   = 32768
	readyBytes = 2 << 10 // of one; who links to longer addresses waits for them
)

// ready has whole answers to questions for classes: the redirects to their
// default links. All of them go with the next change of any link.
type ready struct {
	now atomic.Pointer[readyNow]
}

type readyNow struct {
	generation uint64 // of the book
	mu         sync.RWMutex
	answers    map[string]*redirection // guarded by mu; by escaped path
}

// redirection is a redirect as header lines, made once. Nobody changes them.
type redirection struct {
	location, link []string
	// choice: another language or form may lead elsewhere, so that it answers
	// only who asks for none.
	choice bool
	// whole is the same as bytes, but for its Date.
	whole []byte
}

// fixed header lines of every redirect to a class's link.
var (
	anyOrigin  = []string{"*"}
	classCache = []string{cacheClass}
	varies     = []string{"Accept, Accept-Language"}
)

// Ready answers a plain question for a class by an answer that was given
// before, and tells whether there was one. It is the way of nearly all scans,
// so it makes nothing anew.
func (d *Door) Ready(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.RawQuery != "" || r.URL.ForceQuery || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	a := d.ready.get(path, d.cfg.Links.Generation())
	if a == nil || a.choice && (len(r.Header["Accept-Language"]) > 0 || !anything(r.Header["Accept"])) || wantsLinkset(r.Header["Accept"]) {
		return false
	}
	h := w.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Cache-Control"] = classCache
	h["Link"] = a.link
	h["Location"] = a.location
	h["Vary"] = varies
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

// ReadyBytes is Ready for a GET that was not read by net/http: the bytes of an
// answer without its Date line, or nil.
func (d *Door) ReadyBytes(path, accept, language []byte) []byte {
	now := d.ready.now.Load()
	if now == nil || now.generation != d.cfg.Links.Generation() {
		return nil
	}
	now.mu.RLock()
	a := now.answers[string(path)] // makes no text
	now.mu.RUnlock()
	if a == nil || namesLinkset(accept) {
		return nil
	}
	if a.choice && (language != nil || accept != nil && string(accept) != "*/*") {
		return nil
	}
	return a.whole
}

// bytesOf is a redirection as it goes over the wire; header are lines that
// every answer has. What is kept has no line's end in it.
func (a *redirection) bytesOf(header []string) []byte {
	b := []byte("HTTP/1.1 307 Temporary Redirect\r\nAccess-Control-Allow-Origin: *\r\nCache-Control: " + cacheClass + "\r\nContent-Length: 0\r\n")
	for _, line := range header {
		b = append(b, line+"\r\n"...)
	}
	return append(b, "Link: "+a.link[0]+"\r\nLocation: "+a.location[0]+"\r\nVary: "+varies[0]+"\r\n"...)
}

func anything(accept []string) bool {
	return len(accept) == 0 || len(accept) == 1 && accept[0] == "*/*"
}

func wantsLinkset(accept []string) bool {
	return slices.ContainsFunc(accept, namesLinkset[string])
}

// namesLinkset tells whether an Accept header names linksets, in letters of
// either case (RFC 9110 §8.3.1). It makes no text.
func namesLinkset[T string | []byte](accept T) bool {
	const word = "linkset"
	for i, n := 0, 0; i < len(accept); i++ { // 'l' begins the word and stands nowhere else in it
		switch accept[i] | 0x20 {
		case word[n]:
			n++
		case word[0]:
			n = 1
		default:
			n = 0
		}
		if n == len(word) {
			return true
		}
	}
	return false
}

func (s *ready) get(path string, generation uint64) *redirection {
	now := s.now.Load()
	if now == nil || now.generation != generation {
		return nil
	}
	now.mu.RLock()
	defer now.mu.RUnlock()
	return now.answers[path]
}

// put keeps an answer that was made of what the book had at a generation.
func (s *ready) put(path string, generation uint64, a *redirection) {
	now := s.now.Load()
	if now == nil || now.generation < generation {
		fresh := &readyNow{generation: generation, answers: map[string]*redirection{}}
		if !s.now.CompareAndSwap(now, fresh) {
			return // somebody else was first; the next one keeps it
		}
		now = fresh
	}
	if now.generation != generation {
		return
	}
	now.mu.Lock()
	defer now.mu.Unlock()
	for known := range now.answers { // any will do
		if len(now.answers) < maxReady {
			break
		}
		delete(now.answers, known)
	}
	now.answers[path] = a
}

// keepReady keeps the redirect to the default link of what was found, for the
// next who ask. Only answers that are everybody's are kept.
func (d *Door) keepReady(q question, it *linkset.Item, generation uint64) {
	if q.serial || q.query != "" || q.link.Compressed || q.linkset {
		return
	}
	plain := it.Choose(linkset.Ask{})
	if len(plain) != 1 {
		return
	}
	a := &redirection{location: []string{plain[0].Href}, link: []string{d.linksetOf(it.Anchor)}, choice: it.Varies()}
	if a.whole = a.bytesOf(d.cfg.Header); len(a.whole)+len(q.path) <= readyBytes {
		d.ready.put(q.path, generation, a)
	}
}

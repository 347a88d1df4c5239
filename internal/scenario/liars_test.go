package scenario

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/wire"
	proofs "primum/ledger"
	"primum/oath"
	"primum/oath/person"
)

// liar is a real node behind a proxy that lies, in one way.
type liar struct {
	*badNode
	t      *testing.T
	builds person.Builds
	seated func() // waits until the operator can be let in; nil where it does not want to

	mu     sync.Mutex
	people []identity.Address             // who signed up, in order: the person, a, b
	sealed map[wire.CircleID][]wire.Frame // what things sent into grant circles
	owned  map[wire.CircleID]bool         // home circles
	no     bool                           // somebody has withdrawn
}

// lie of the gallery: which clause finds it, and by which words.
type lie struct {
	name   string
	clause string
	says   string // a part of the reason
	tell   func(*liar)
}

// lies is the gallery (docs/oath-gallery.md).
func lies() []lie {
	return []lie{
		{"delivers before the yes", "O03", "reached somebody without a yes", (*liar).deliversToAll},
		{"has a door without a lock", "O03", "reached somebody without a yes", (*liar).opensADoor},
		{"keeps delivering after the no", "O04", "delivered after the no", (*liar).ignoresTheNo},
		{"takes its time with the no", "O04", "was let in", (*liar).delaysTheNo},
		{"answers the no by a question", "O04", "no valid receipt of the no", (*liar).asksAgain},
		{"signs finer than was chosen", "O05", "not what the person chose", (*liar).signsFiner},
		{"signs another purpose", "O05", "another purpose", (*liar).signsAnotherPurpose},
		{"seats a hidden member", "O06", "nobody that was let in", (*liar).seatsItself},
		{"stands in for a grantee", "O06", "not the grantee's own", (*liar).standsIn},
		{"shows what was sealed", "O06", "stands in clear", (*liar).showsTheCanary},
		{"hides who saw", "O07", "the list has", (*liar).hidesWhoSaw},
		{"leaks a common identifier", "O08", "both have", (*liar).leaksAnIdentifier},
		{"prices a right", "O10", "have a price", (*liar).pricesARight},
		{"lets rights queue", "O10", "asked for again later", (*liar).queuesRights},
		{"keeps what was erased", "O11", "after the erasure there is still", (*liar).keepsAPage},
		{"only says that it erased", "O11", "after the erasure there is still", (*liar).saysErased},
		{"throws complaints away", "O14", "got a receipt", (*liar).throwsComplaintsAway},
		{"bears a grudge", "O15", "without a yes this does not work", (*liar).bearsAGrudge},
		{"changes a rule silently", "O13", "is shown otherwise than it stands", (*liar).changesARule},
		{"rewrites a log entry", "O13", "", (*liar).rewritesTheLog},
	}
}

// TestLiars: every liar is found by the clause that should find it. The control
// is TestOathOfAnHonestNode; and nobody is found guilty by a proxy alone.
func TestLiars(t *testing.T) {
	t.Parallel()
	for _, l := range lies() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			liar := newLyingNode(t)
			published(t, liar.Authority())
			l.tell(liar)
			r := checkOath(t, liar.Authority(), liar.builds, l.clause)[l.clause]
			found := slices.ContainsFunc(r.Steps, func(s oath.Seen) bool {
				return s.Verdict == oath.Broken && strings.Contains(s.Reason, l.says)
			})
			if r.Verdict != oath.Broken || !found {
				logResult(t, r)
				t.Errorf("%s: %s: %q; want broken, by %q", l.clause, r.Verdict, r.Reason, l.says)
			}
			t.Logf("%s: %s", l.clause, r.Reason)
		})
	}
}

// TestALiarThatForgets: a node that shows an older head of its log is found by
// who has seen the newer one.
func TestALiarThatForgets(t *testing.T) {
	t.Parallel()
	l := &liar{badNode: startBadNodeWith(t, node.Config{Clock: clock.Real(), LedgerEvery: node.Duration(time.Second)}), t: t}
	published(t, l.Authority())
	var mu sync.Mutex
	shown := map[string][]byte{} // the first answer of each place
	forgets := false
	l.changes(func(_ string, resp *http.Response, body []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		path := resp.Request.URL.Path
		if !strings.HasPrefix(path, "/ledger/public/") || resp.StatusCode != http.StatusOK {
			return body
		}
		if shown[path] == nil {
			shown[path] = body
		}
		if forgets {
			return shown[path]
		}
		return body
	})
	_, kept := checkKept(t, l.Authority(), proofs.Kept{}, "O13")
	first := publicHead(kept)
	eventually(t, "the log grows", func() bool {
		_, kept = checkKept(t, l.Authority(), kept, "O13")
		return publicHead(kept) != first
	})
	mu.Lock()
	forgets = true
	mu.Unlock()
	r, _ := checkKept(t, l.Authority(), kept, "O13")
	if r.Verdict != oath.Broken || !strings.Contains(r.Reason, proofs.ErrRollback.Error()) {
		logResult(t, r)
		t.Errorf("O13: %s: %q; want broken, because the log was rolled back", r.Verdict, r.Reason)
	}
}

// publicHead is the public log's head that a checker has kept.
func publicHead(k proofs.Kept) string {
	for origin, log := range k.Logs {
		if strings.HasSuffix(origin, "/ledger/public") {
			return log.Checkpoint
		}
	}
	return ""
}

// TestGalleryShowsEveryLiar: docs/oath-gallery.md and the tests tell of the same.
func TestGalleryShowsEveryLiar(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/oath-gallery.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Count(string(b), "\n| ") - 1 // but the head
	if rows != len(lies())+1 {                   // and the one that forgets
		t.Errorf("%d rows, %d lies", rows, len(lies())+1)
	}
	for _, l := range lies() {
		row := "| " + l.name + " |"
		if i := strings.Index(string(b), row); i < 0 || !strings.Contains(strings.SplitN(string(b[i:]), "\n", 2)[0], "| "+l.clause+" |") {
			t.Errorf("no row for %q and %s", l.name, l.clause)
		}
	}
}

func newLyingNode(t *testing.T) *liar {
	t.Helper()
	l := &liar{badNode: startBadNode(t, clock.Real()), t: t, sealed: map[wire.CircleID][]wire.Frame{}, owned: map[wire.CircleID]bool{}}
	l.lie(func(b *badNode) { b.request, b.up = l.watch, l.watchFrames })
	return l
}

// watch learns who is who, as every operator can.
func (l *liar) watch(_, path string, body []byte, _ http.ResponseWriter) bool {
	if path == "/v1/homes" && l.seated != nil {
		l.seated()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var account wire.NewAccount
	if path == "/v1/accounts" && json.Unmarshal(body, &account) == nil {
		if v, err := identity.First(account.Identity); err == nil {
			l.people = append(l.people, v.Address())
		}
	}
	if path == "/v1/closings" {
		l.no = true
	}
	return false
}

// watchFrames keeps what things send into grant circles, sealed as it is.
func (l *liar) watchFrames(who string, f wire.Frame) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasPrefix(who, "acct:") {
		owner := len(l.people) > 0 && strings.HasPrefix(who, "acct:"+l.people[0].String()+"#")
		l.owned[f.Circle] = l.owned[f.Circle] || owner
		return pass
	}
	f.Message = slices.Clone(f.Message)
	l.sealed[f.Circle] = append(l.sealed[f.Circle], f)
	return pass
}

// answers adds a request hook behind watch.
func (l *liar) answers(more func(who, path string, body []byte, w http.ResponseWriter) bool) {
	l.lie(func(b *badNode) {
		b.request = func(who, path string, body []byte, w http.ResponseWriter) bool {
			_ = l.watch(who, path, body, w)
			return more(who, path, body, w)
		}
	})
}

// changes lets answers be changed.
func (l *liar) changes(change func(who string, resp *http.Response, body []byte) []byte) {
	l.lie(func(b *badNode) {
		b.answer = func(who string, _ []byte, resp *http.Response, body []byte) []byte { return change(who, resp, body) }
	})
}

// nth is whether a key id is of who signed up as the n-th.
func (l *liar) nth(who string, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.people) > n && strings.HasPrefix(who, "acct:"+l.people[n].String()+"#")
}

func (l *liar) said(no bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.no == no
}

// isTheNo guesses whether a sealed message of the person is a no: whether a
// closing comes beside it.
func (l *liar) isTheNo() bool {
	for range 30 {
		if l.said(true) {
			return true
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-l.t.Context().Done():
		}
	}
	return false
}

// deliversToAll: whatever is delivered to one account is delivered to all that
// are connected.
func (l *liar) deliversToAll() {
	l.lie(func(b *badNode) {
		b.down = func(who string, f wire.Frame) verdict {
			if strings.HasPrefix(who, "circle:") || l.nth(who, 0) {
				return pass
			}
			var all []*relayed
			b.mu.Lock()
			for other, s := range b.sessions {
				if other != who && strings.HasPrefix(other, "acct:") {
					all = append(all, s)
				}
			}
			b.mu.Unlock()
			for _, s := range all {
				_ = s.write(l.t.Context(), binaryFrame, f.AppendTo(nil))
			}
			return pass
		}
	})
}

var messagesOf = regexp.MustCompile(`^/v1/circles/([0-9a-f]{32})/messages$`)

// opensADoor: the messages of a circle can be read by anybody who knows its name.
func (l *liar) opensADoor() {
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		m := messagesOf.FindStringSubmatch(path)
		if m == nil {
			return false
		}
		id, err := wire.ParseCircleID(m[1])
		if err != nil {
			return false
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		var page []byte
		for i, f := range l.sealed[id] {
			f.Number = uint64(i) + 1
			page = wire.AppendPage(page, f)
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(page)
		return true
	})
}

// ignoresTheNo: the person is told that all is well, the thing nothing.
func (l *liar) ignoresTheNo() {
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		if path != "/v1/closings" {
			return false
		}
		writeJSON(w, http.StatusOK, wire.Receipt{Receipt: "e30.e30.e30", State: "withdrawn", At: time.Now()})
		return true
	})
	l.lie(func(b *badNode) {
		b.up = func(who string, f wire.Frame) verdict {
			if l.nth(who, 0) && l.isTheNo() {
				return swallow
			}
			return l.watchFrames(who, f)
		}
	})
}

// delaysTheNo: the no is carried out, four seconds later.
func (l *liar) delaysTheNo() {
	later := func() {
		select {
		case <-time.After(4 * time.Second):
		case <-l.t.Context().Done():
		}
	}
	l.answers(func(_, path string, _ []byte, _ http.ResponseWriter) bool {
		if path == "/v1/closings" {
			later()
		}
		return false
	})
	var once sync.Once
	l.lie(func(b *badNode) {
		b.up = func(who string, f wire.Frame) verdict {
			if l.nth(who, 0) && l.isTheNo() {
				once.Do(later)
			}
			return l.watchFrames(who, f)
		}
	})
}

// asksAgain: a no is not taken for one.
func (l *liar) asksAgain() {
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		if path != "/v1/closings" {
			return false
		}
		w.Header().Set("Retry-After", "1")
		writeProblemOf(w, http.StatusServiceUnavailable, wire.ProbStorage, "Are you sure? Ask again.")
		return true
	})
}

// signsFiner: the operator's program signs finer terms than the page showed.
func (l *liar) signsFiner() {
	l.builds.Give = func(p *circle.GiveParams) {
		for i := range p.Share {
			p.Share[i].Precision = circle.Precision{Change: true}
		}
	}
}

// signsAnotherPurpose: the page said advice.
func (l *liar) signsAnotherPurpose() {
	l.builds.Give = func(p *circle.GiveParams) {
		purpose, err := grant.FindPurpose("Advertising")
		if err != nil {
			l.t.Error(err)
		}
		p.Purpose = purpose
	}
}

// hidesWhoSaw: what the grantee's phone got is not in the person's list.
func (l *liar) hidesWhoSaw() {
	l.changes(func(_ string, resp *http.Response, body []byte) []byte {
		var s wire.Seen
		if resp.Request.URL.Path != "/v1/seen" || json.Unmarshal(body, &s) != nil {
			return body
		}
		for i := range s.Days {
			s.Days[i].Rows = nil
		}
		return mustJSON(s)
	})
}

// leaksAnIdentifier: an answer about a circle carries what all circles of the
// thing have in common.
func (l *liar) leaksAnIdentifier() {
	l.changes(func(_ string, resp *http.Response, body []byte) []byte {
		if strings.HasPrefix(resp.Request.URL.Path, "/v1/circles/") {
			resp.Header.Set("X-Served-For", "house-4711c0ffee42")
		}
		return body
	})
}

// pricesARight: a copy of one's own data costs.
func (l *liar) pricesARight() {
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		if path != "/v1/rights/export" {
			return false
		}
		writeProblemOf(w, http.StatusPaymentRequired, "payment-required", "A copy has a price of 5 euros.")
		return true
	})
}

// queuesRights: who uses rights often waits.
func (l *liar) queuesRights() {
	times := 0
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		if !strings.HasPrefix(path, "/v1/rights") {
			return false
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if times++; times < 4 {
			return false
		}
		w.Header().Set("Retry-After", "86400")
		writeProblemOf(w, http.StatusTooManyRequests, wire.ProbTooMany, "You are number 3214 in the queue.")
		return true
	})
}

// keepsAPage: a public page stays although its owner was erased.
func (l *liar) keepsAPage() {
	kept := map[string][]byte{}
	l.answers(func(who, path string, body []byte, w http.ResponseWriter) bool {
		if !strings.HasPrefix(path, "/v1/notices/") {
			return false
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if who != "" && len(body) > 0 {
			kept[path] = body
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(kept[path])
		return true
	})
}

// saysErased: the answer is all that happens.
func (l *liar) saysErased() {
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		if path != "/v1/rights/erasure" {
			return false
		}
		writeJSON(w, http.StatusOK, wire.Erased{Gone: map[string]int{"account": 1}, By: time.Now()})
		return true
	})
}

// throwsComplaintsAway: thank you for your message.
func (l *liar) throwsComplaintsAway() {
	l.answers(func(_, path string, _ []byte, w http.ResponseWriter) bool {
		if path != "/v1/rights/complaint" && path != "/v1/rights/objection" {
			return false
		}
		writeJSON(w, http.StatusAccepted, map[string]string{"message": "Thank you for your message."})
		return true
	})
}

// bearsAGrudge: who withdraws gets in no more.
func (l *liar) bearsAGrudge() {
	l.answers(func(who, path string, _ []byte, w http.ResponseWriter) bool {
		if path != "/v1/live" || !l.said(true) || !l.nth(who, 0) {
			return false
		}
		writeProblemOf(w, http.StatusForbidden, wire.ProbForbidden, "Give your consent to go on.")
		return true
	})
}

// changesARule: the list of what is counted is another than the logged one.
func (l *liar) changesARule() {
	l.changes(func(_ string, resp *http.Response, body []byte) []byte {
		if resp.Request.URL.Path != wire.MeterCataloguePath {
			return body
		}
		return []byte(strings.Replace(string(body), `"never"`, `"rarely"`, 1))
	})
}

// rewritesTheLog: an entry of the public log is another than it was.
func (l *liar) rewritesTheLog() {
	l.changes(func(_ string, resp *http.Response, body []byte) []byte {
		if strings.Contains(resp.Request.URL.Path, "/ledger/public/tile/entries/") {
			return rewritten(body)
		}
		return body
	})
}

// rewritten changes one digit of the first hash.
func rewritten(body []byte) []byte {
	out := slices.Clone(body)
	if i := bytes.Index(out, []byte(`"sha256":"`)); i >= 0 {
		digit := &out[i+len(`"sha256":"`)]
		*digit = map[bool]byte{true: '1', false: '0'}[*digit == '0']
	}
	return out
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(v))
}

func writeProblemOf(w http.ResponseWriter, status int, name, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(wire.Problem{Type: wire.ProblemPrefix + name, Title: name, Status: status, Detail: detail}))
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

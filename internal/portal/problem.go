package portal

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"primum/internal/wire"
)

// refuse answers with a problem (RFC 9457), as the node's interface does.
func refuse(w http.ResponseWriter, status int, name, detail string) {
	carriedHeaders(w.Header())
	p := wire.Problem{Type: wire.ProblemPrefix + name, Title: http.StatusText(status), Status: status, Detail: detail}
	if n, err := strconv.Atoi(w.Header().Get("Retry-After")); err == nil {
		p.Retry = n
	}
	b, err := json.Marshal(p)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// seconds are whole ones, rounded up.
func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

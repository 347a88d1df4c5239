package edge

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"primum/internal/durable"
)

// controlFile names where a running edge is reached by its own user.
const controlFile = "control.json"

type controlInfo struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// named is the body of the control calls that concern a thing.
type named struct {
	Name string `json:"name"`
	On   bool   `json:"on,omitempty"`
}

// writeControl leaves a token for this user's other processes: what is in a
// house is personal data, so the list is for nobody else.
func (d *door) writeControl() error {
	var raw [16]byte
	if _, err := io.ReadFull(d.edge.config.Rand, raw[:]); err != nil {
		return fmt.Errorf("make control token: %w", err)
	}
	d.token = hex.EncodeToString(raw[:])
	port := d.socket.Addr().(*net.TCPAddr).Port
	host := "127.0.0.1"
	if ip := d.socket.Addr().(*net.TCPAddr).IP; !ip.IsUnspecified() {
		host = ip.String()
	}
	b, err := json.Marshal(controlInfo{URL: "http://" + net.JoinHostPort(host, fmt.Sprint(port)), Token: d.token})
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(d.edge.config.Dir, controlFile), b)
}

func (d *door) control(mux *http.ServeMux) {
	mux.HandleFunc("GET /control/things", d.allowed(func(w http.ResponseWriter, _ *http.Request) {
		answer200(w, d.edge.Overview())
	}))
	mux.HandleFunc("POST /control/accept", d.allowed(func(w http.ResponseWriter, r *http.Request) {
		var n named
		if read(w, r, &n) {
			done(w, d.edge.Accept(n.Name))
		}
	}))
	mux.HandleFunc("POST /control/history", d.allowed(func(w http.ResponseWriter, r *http.Request) {
		var n named
		if read(w, r, &n) {
			done(w, d.edge.SetHistory(n.Name, n.On))
		}
	}))
	mux.HandleFunc("POST /control/backup", d.allowed(func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		if err := d.edge.Backup(&b); err != nil {
			done(w, err)
			return
		}
		_, _ = w.Write(b.Bytes())
	}))
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		refuse(w, http.StatusConflict, "conflict", err.Error())
		return
	}
	answer200(w, struct{}{})
}

func (d *door) allowed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if d.token == "" || subtle.ConstantTimeCompare([]byte(token), []byte(d.token)) != 1 {
			refuse(w, http.StatusForbidden, "forbidden", "only the user who runs the edge may see this")
			return
		}
		next(w, r)
	}
}

// Control talks to the edge that runs on a state folder of this user.
type Control struct{ dir string }

// NewControl is a control for the edge of a state folder.
func NewControl(dir string) Control { return Control{dir} }

// Overview lists the running edge's things.
func (c Control) Overview(ctx context.Context) (o Overview, err error) {
	b, err := c.call(ctx, http.MethodGet, "/control/things", nil)
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(b, &o)
}

// Accept takes the changed description of a thing.
func (c Control) Accept(ctx context.Context, name string) error {
	_, err := c.call(ctx, http.MethodPost, "/control/accept", named{Name: name})
	return err
}

// SetHistory switches the history of a thing; off also erases it.
func (c Control) SetHistory(ctx context.Context, name string, on bool) error {
	_, err := c.call(ctx, http.MethodPost, "/control/history", named{Name: name, On: on})
	return err
}

// Backup writes a backup of the running edge.
func (c Control) Backup(ctx context.Context, w io.Writer) error {
	b, err := c.call(ctx, http.MethodPost, "/control/backup", struct{}{})
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// ErrNotRunning: no edge runs on the state folder.
var ErrNotRunning = errors.New("no edge runs on this folder; start it with `primum edge`")

func (c Control) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	raw, err := durable.ReadFile(filepath.Join(c.dir, controlFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("find the edge: %w", err)
	}
	var info controlInfo
	if err := json.Unmarshal(raw, &info); err != nil {
		return nil, fmt.Errorf("find the edge: %w", err)
	}
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, info.URL+path, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+info.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w (%v)", ErrNotRunning, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<30))
	if err != nil {
		return nil, fmt.Errorf("talk to the edge: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		var p struct{ Detail string }
		_ = json.Unmarshal(answer, &p)
		return nil, fmt.Errorf("the edge refused: %s", p.Detail)
	}
	return answer, nil
}

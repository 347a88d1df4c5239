package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"primum/internal/clock"
	httpdoor "primum/internal/door/http"
	"primum/internal/relay"
)

// DefaultListen is the address of a node that nobody told another.
const DefaultListen = "127.0.0.1:8401"

// Config says what a node is. Only DataDir and Authority are needed.
type Config struct {
	// Authority is the node's domain, "example.org". Under .localhost it may
	// carry a port; without one it takes that of Listen, or of its last run.
	Authority string `json:"authority"`
	// Listen is host:port; port 0 takes a free one. Default DefaultListen, or
	// the port of a .localhost authority.
	Listen string `json:"listen,omitempty"`
	// DataDir holds the databases and the node's key, mode 0700.
	DataDir string `json:"dataDir"`
	// Invite makes new accounts need an invitation.
	Invite bool `json:"invite"`
	// TLSCert and TLSKey are PEM files. Without them the node speaks plain
	// HTTP, for .localhost or behind a proxy on the same machine.
	TLSCert string `json:"tlsCert,omitempty"`
	TLSKey  string `json:"tlsKey,omitempty"`
	// ACME lets the node get its certificate itself and renew it; not beside
	// TLSCert, Proxy or a name under .localhost.
	ACME *ACME `json:"acme,omitempty"`
	// Proxy believes the last X-Forwarded-For of a proxy on this machine
	// for limits per address.
	Proxy bool `json:"proxy,omitempty"`
	// Contact is how to reach the operator, mailto: or https:; it stands on
	// public pages. Without one they name abuse@ the authority (RFC 2142).
	Contact string `json:"contact,omitempty"`
	// LedgerEvery is the time between two ticks of the commitments log, as
	// "6h"; at least 1s, default 6h.
	LedgerEvery Duration `json:"ledgerEvery,omitzero"`
	// Witnesses are domains whose nodes are asked to cosign the ledger, before
	// those that this node has exchanged documents with; 5 are asked at most.
	Witnesses []string `json:"witnesses,omitempty"`
	// Quotas bound what one organisation's domain uses in a day of UTC, by the
	// id of a meter ("requests", "delivered"); none by default. Persons have
	// none, ever.
	Quotas map[string]uint64 `json:"quotas,omitempty"`
	// LiveSockets bounds the live sockets at a time, default 20,000.
	LiveSockets int `json:"liveSockets,omitempty"`

	// Limits and Relay bound what callers and circles use; nil and zero are
	// the defaults, which are wider on loopback.
	Limits *httpdoor.Limits `json:"-"`
	Relay  relay.Limits     `json:"-"`
	// MaxPages bounds each database, in pages of 4 KiB; 0: the disk does.
	MaxPages int64 `json:"-"`

	Clock   clock.Clock  `json:"-"` // default clock.Real()
	Log     *slog.Logger `json:"-"` // default: nowhere
	Rand    io.Reader    `json:"-"` // default crypto/rand
	Version string       `json:"-"` // of the software, default "dev"
	Program string       `json:"-"` // its file, whose hash is published; empty: none is

	defaultListen bool // Listen was empty
}

// ACME says where the node's certificate comes from.
type ACME struct {
	// CA is the directory of an ACME authority. Default Let's Encrypt's.
	CA string `json:"ca,omitempty"`
	// Email is given to the authority; it may be empty.
	Email string `json:"email,omitempty"`
	// Agreed: the operator agrees to the authority's terms. Without it the node
	// does not start.
	Agreed bool `json:"agreed"`
	// HTTP is where visits to port 80 arrive, host:port: the authority's, and
	// people's, who are led to https. Default port 80 beside Listen; "off"
	// takes none.
	HTTP string `json:"http,omitempty"`
}

// Duration is a time.Duration that is written "6h" or "10s".
type Duration time.Duration

// MarshalText writes it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads it.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Loopback tells whether the node lives under .localhost: plain HTTP, and it
// may contact this machine.
func (c Config) Loopback() bool {
	host := c.Authority
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// configMost bounds a configuration file, in bytes.
const configMost = 64 << 10

// LoadConfig reads a JSON file of Config, of at most 64 KiB. Unknown members are
// refused. In a file whose name ends in .jsonc, lines that begin with // are
// comments.
func LoadConfig(file string) (Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return Config{}, fmt.Errorf("open configuration: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, configMost+1))
	if err != nil || len(b) > configMost {
		return Config{}, errors.Join(fmt.Errorf("read configuration %s: it has more than %d bytes, or can't be read", file, configMost), err)
	}
	if strings.HasSuffix(file, ".jsonc") {
		b = uncommented(b)
	}
	var c Config
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		if wrong := new(json.SyntaxError); errors.As(err, &wrong) {
			err = fmt.Errorf("line %d: %w", 1+bytes.Count(b[:min(int(wrong.Offset), len(b))], []byte("\n")), err)
		}
		return Config{}, fmt.Errorf("read configuration %s: %w", file, err)
	}
	if d.More() {
		return Config{}, fmt.Errorf("read configuration %s: something follows its closing brace", file)
	}
	return c, nil
}

// uncommented empties the lines that begin with //, so that the numbers of the
// others stay.
func uncommented(b []byte) []byte {
	lines := bytes.Split(b, []byte("\n"))
	for i, line := range lines {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("//")) {
			lines[i] = nil
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

func (c Config) withDefaults() (Config, error) {
	if c.Authority == "" {
		return c, errors.New("open node: no authority; give the domain, e.g. example.org or h.localhost")
	}
	if c.DataDir == "" {
		return c, errors.New("open node: no data directory given")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return c, errors.New("open node: a TLS certificate and its key belong together; one of the two files is missing")
	}
	if c.TLSCert != "" && c.Loopback() {
		return c, errors.New("open node: names under .localhost are spoken to in plain HTTP; give no TLS certificate")
	}
	if c.ACME != nil && (c.TLSCert != "" || c.Proxy || c.Loopback()) {
		return c, errors.New("open node: acme gets a certificate for a domain; it can't stand beside tlsCert, proxy or a name under .localhost")
	}
	if !strings.HasPrefix(c.Contact, "mailto:") && !strings.HasPrefix(c.Contact, "https://") && c.Contact != "" {
		return c, errors.New("open node: the contact begins with mailto: or https://")
	}
	if c.LedgerEvery != 0 && c.LedgerEvery < Duration(time.Second) {
		return c, errors.New("open node: ledgerEvery is at least 1s")
	}
	if c.Listen == "" {
		c.Listen, c.defaultListen = DefaultListen, true
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	return c.withLimits(), nil
}

func (c Config) withLimits() Config {
	if c.Limits == nil {
		l := httpdoor.DefaultLimits(c.Loopback())
		c.Limits = &l
	}
	if c.LiveSockets > 0 {
		l := *c.Limits
		l.Sockets = c.LiveSockets
		c.Limits = &l
	}
	if c.Loopback() && c.Relay.PerSecond == 0 {
		c.Relay.PerSecond = -1
	}
	return c
}

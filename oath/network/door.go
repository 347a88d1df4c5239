package network

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"primum/oath"
)

const (
	tlsPort   = "443"
	shakeWait = 10 * time.Second
	mqttPort  = "1883"
	coapPort  = "5683"
	knock     = 4 * time.Second
)

// openTLS: local, handshake, failure, version, certificate-left,
// certificate-days-left, outdated, outdated-version.
func openTLS(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	if r.Target.Local {
		return localOnly(), nil
	}
	state, err := shake(ctx, r, &tls.Config{MinVersion: tls.VersionTLS12})
	e := oath.Evidence{
		What: "the encrypted connection", At: r.Clock.Now(),
		Replay: "openssl s_client -connect " + r.Target.Host + ":443 -servername " + r.Target.Host + " </dev/null",
	}
	facts := map[string]oath.Value{"local": oath.Yes(false), "handshake": oath.Yes(err == nil)}
	if err != nil {
		if stopped := unreached(ctx, err); stopped != nil {
			return oath.Observation{}, stopped
		}
		facts["failure"] = oath.Text(err.Error())
		e.Answer = err.Error()
		return oath.Observation{Facts: facts, Evidence: []oath.Evidence{e}}, nil
	}
	e.Answer = tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
	facts["version"] = oath.Text(tls.VersionName(state.Version))
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		left := leaf.NotAfter.Sub(r.Clock.Now())
		facts["certificate-left"], facts["certificate-days-left"] = oath.Duration(left), oath.Number(int64(left/(24*time.Hour)))
		e.Bytes, e.SHA256 = leaf.Raw, oath.SHA256(leaf.Raw)
	}
	old, err := shake(ctx, r, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	facts["outdated"] = oath.Yes(err == nil)
	if err == nil {
		facts["outdated-version"] = oath.Text(tls.VersionName(old.Version))
		e.Replay = "openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -connect " + r.Target.Host + ":443 </dev/null"
	}
	return oath.Observation{Facts: facts, Evidence: []oath.Evidence{e}}, ctx.Err()
}

// shake makes one TLS connection to the target and verifies its certificate.
func shake(ctx context.Context, r *oath.Run, c *tls.Config) (*tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(ctx, shakeWait)
	defer cancel()
	raw, err := r.Dial(ctx, "tcp", net.JoinHostPort(r.Target.Host, tlsPort))
	if err != nil {
		return nil, err
	}
	defer func() { _ = raw.Close() }()
	c.ServerName = r.Target.Host
	c.RootCAs = r.Roots()
	conn := tls.Client(raw, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("shake hands: %w", err)
	}
	state := conn.ConnectionState()
	return &state, nil
}

// unreached keeps errors that say nothing about the target's TLS: the end of
// time or budget. A certificate that does not fit says something.
func unreached(ctx context.Context, err error) error {
	var invalid *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &invalid) || errors.As(err, &unknown) {
		return nil
	}
	return stop(ctx, err)
}

func localOnly() oath.Observation {
	return oath.Observation{Facts: map[string]oath.Value{"local": oath.Yes(true)}}
}

// openPlain: local, status, leads-to-tls. A closed door counts as leading
// there.
func openPlain(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	if r.Target.Local {
		return localOnly(), nil
	}
	a, err := r.Fetch(ctx, oath.Ask{URL: "http://" + r.Target.Host + "/", Stand: true})
	if err != nil {
		if stopped := stop(ctx, err); stopped != nil {
			return oath.Observation{}, stopped
		}
		return oath.Observation{Facts: map[string]oath.Value{"local": oath.Yes(false), "leads-to-tls": oath.Yes(true)}}, nil
	}
	to := a.Header.Get("Location")
	return oath.Observation{
		Facts: map[string]oath.Value{
			"local": oath.Yes(false), "status": oath.Number(a.Status),
			"leads-to-tls": oath.Yes(isRedirect(a.Status) && strings.HasPrefix(strings.ToLower(to), "https://") || a.Status >= 400),
		},
		Evidence: []oath.Evidence{a.Evidence("the front page without encryption")},
	}, nil
}

// readSecurityTxt: found, contact, contact-at, expired (RFC 9116).
func readSecurityTxt(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	a, s, err := readSecurity(ctx, r)
	if err != nil {
		return oath.Observation{}, err
	}
	facts := map[string]oath.Value{
		"found": oath.Yes(s.found), "contact": oath.Yes(len(s.contacts) > 0), "expired": oath.Yes(!s.expires.After(r.Clock.Now())),
	}
	if len(s.contacts) > 0 {
		facts["contact-at"] = oath.Text(s.contacts[0])
	}
	return oath.Observation{Facts: facts, Evidence: []oath.Evidence{a.Evidence("security.txt")}}, nil
}

type securityTxt struct {
	found    bool
	contacts []string
	expires  time.Time // zero: it says nothing, or nothing that is a time
}

func readSecurity(ctx context.Context, r *oath.Run) (oath.Answer, securityTxt, error) {
	a, err := r.Fetch(ctx, oath.Ask{URL: r.Target.Base + "/.well-known/security.txt", Max: 32 << 10})
	if err != nil {
		return a, securityTxt{}, err
	}
	kind := strings.ToLower(a.Header.Get("Content-Type"))
	if a.Status != http.StatusOK || !strings.HasPrefix(kind, "text/plain") {
		return a, securityTxt{}, nil
	}
	return a, parseSecurityTxt(string(a.Body)), nil
}

func parseSecurityTxt(text string) securityTxt {
	s := securityTxt{found: true}
	for _, line := range strings.Split(text, "\n") {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "contact":
			if ok && value != "" && len(s.contacts) < 16 {
				s.contacts = append(s.contacts, oath.Plain(value, maxShown))
			}
		case "expires":
			if at, err := time.Parse(time.RFC3339, value); err == nil {
				s.expires = at
			}
		}
	}
	return s
}

// knockMQTT: local, answered, address. It sends a CONNECT without a name or a
// password and waits for any CONNACK (MQTT 3.1.1 §3.2), which only a broker
// sends.
func knockMQTT(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	connect := []byte{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 10, 0, 0}
	return greet(ctx, r, "tcp", mqttPort, connect, "mosquitto_sub -h %s -p %s -t '$SYS/#' -C 1", func(b []byte) bool {
		return len(b) >= 4 && b[0] == 0x20 && b[1] == 2
	})
}

// knockCoAP: local, answered, address. It asks for /.well-known/core over UDP
// and waits for an answer to its own token (RFC 7252 §5.3.2).
func knockCoAP(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	var token [4]byte
	_, _ = rand.Read(token[:]) // never fails
	get := append([]byte{0x44, 0x01, token[0], token[1]}, token[:]...)
	get = append(append(get, 0xbb), ".well-known"...)
	get = append(append(get, 0x04), "core"...)
	return greet(ctx, r, "udp", coapPort, get, "coap-client -m get coap://%s:%s/.well-known/core", func(b []byte) bool {
		return len(b) >= 8 && b[0]&0xcf == 0x44 && b[1] >= 0x40 && string(b[4:8]) == string(token[:]) ||
			len(b) >= 4 && b[0]&0xf0 == 0x70 && b[2] == token[0] && b[3] == token[1] // a reset is an endpoint, too
	})
}

// knock sends one message to a port and looks at what comes, if anything.
func greet(ctx context.Context, r *oath.Run, network, port string, message []byte, replay string, is func([]byte) bool) (oath.Observation, error) {
	if r.Target.Local {
		return localOnly(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, knock)
	defer cancel()
	facts := map[string]oath.Value{"local": oath.Yes(false), "answered": oath.Yes(false), "address": oath.Text(net.JoinHostPort(r.Target.Host, port))}
	conn, err := r.Dial(ctx, network, net.JoinHostPort(r.Target.Host, port))
	if err != nil {
		if isBudget(err) {
			return oath.Observation{}, err
		}
		return oath.Observation{Facts: facts}, nil // closed, or nothing there
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // a closed connection says so below
	if _, err := conn.Write(message); err != nil {
		return oath.Observation{Facts: facts}, nil
	}
	b := make([]byte, 1500)
	n, err := conn.Read(b)
	if isBudget(err) {
		return oath.Observation{}, err
	}
	if !is(b[:n]) {
		return oath.Observation{Facts: facts}, nil
	}
	facts["answered"] = oath.Yes(true)
	e := oath.Evidence{
		What: "the answer to an unencrypted greeting", At: r.Clock.Now(), Bytes: b[:n], SHA256: oath.SHA256(b[:n]),
		Replay: fmt.Sprintf(replay, r.Target.Host, port),
	}
	return oath.Observation{Facts: facts, Evidence: []oath.Evidence{e}}, nil
}

// readSupportEnd: known, until, past.
func readSupportEnd(_ context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	if r.Target.Oath == nil || r.Target.Oath.Supported == nil {
		return oath.Observation{Facts: map[string]oath.Value{"known": oath.Yes(false)}}, nil
	}
	until := *r.Target.Oath.Supported
	return oath.Observation{
		Facts:    map[string]oath.Value{"known": oath.Yes(true), "until": oath.Text(until.UTC().Format(time.DateOnly)), "past": oath.Yes(until.Before(r.Clock.Now()))},
		Evidence: []oath.Evidence{oathEvidence(r, "the oath, which says until when holes are mended")},
	}, nil
}

// readHarmContacts: contacts, contact, login-wall.
func readHarmContacts(ctx context.Context, r *oath.Run, _ oath.Args) (oath.Observation, error) {
	a, s, err := readSecurity(ctx, r)
	if err := stop(ctx, err); err != nil {
		return oath.Observation{}, err
	}
	all := s.contacts
	if r.Target.Oath != nil && r.Target.Oath.Contact != "" {
		all = append(all, r.Target.Oath.Contact)
	}
	var evidence []oath.Evidence
	if err == nil {
		evidence = append(evidence, a.Evidence("security.txt"))
	}
	front, err := frontPage(ctx, r)
	if err != nil {
		return oath.Observation{}, err
	}
	evidence = append(evidence, front.Evidence("the front page"))
	for _, l := range readPage(front).links {
		if strings.HasPrefix(strings.ToLower(l.href), "mailto:") && len(all) < 16 {
			all = append(all, l.href)
		}
	}
	facts := map[string]oath.Value{"contacts": oath.Number(len(all)), "login-wall": oath.Yes(false)}
	for _, c := range all {
		if !strings.HasPrefix(strings.ToLower(c), "https://") {
			continue
		}
		page, err := r.Fetch(ctx, oath.Ask{URL: c})
		if err := stop(ctx, err); err != nil {
			return oath.Observation{}, err
		}
		if err == nil && loginWall(page) {
			facts["login-wall"], facts["contact"] = oath.Yes(true), oath.Text(c)
			evidence = append(evidence, page.Evidence("a contact that asks for a login"))
		}
	}
	return oath.Observation{Facts: facts, Evidence: evidence}, nil
}

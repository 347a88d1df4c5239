package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// errVersion: the broker answered that it does not speak MQTT 5, or answered
// nothing that is MQTT 5.
var errVersion = errors.New("the broker does not speak MQTT 5")

// refused is a broker's "no" to a connection, in words.
type refused struct{ reason string }

func (r refused) Error() string { return r.reason }

func parseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "mqtt://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("a broker is written mqtt://host:1883 or mqtts://host:8883")
	}
	port := ""
	switch u.Scheme {
	case "mqtt", "tcp":
		u.Scheme, port = "mqtt", "1883"
	case "mqtts", "tls", "ssl":
		u.Scheme, port = "mqtts", "8883"
	default:
		return nil, fmt.Errorf("broker scheme %q is not known; use mqtt:// or mqtts://", u.Scheme)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	return u, nil
}

// credentials are Options.Username and Password, else those of the URL.
func credentials(o Options) (user, password string) {
	user, password = o.Username, o.Password
	if u, err := parseURL(o.URL); err == nil && u.User != nil && user == "" {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	return user, password
}

func dial(ctx context.Context, o Options) (net.Conn, error) {
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialTimeout}
	if u.Scheme == "mqtt" {
		return d.DialContext(ctx, "tcp", u.Host)
	}
	config, err := tlsConfig(o, u.Hostname())
	if err != nil {
		return nil, err
	}
	td := tls.Dialer{NetDialer: &d, Config: config}
	return td.DialContext(ctx, "tcp", u.Host)
}

func tlsConfig(o Options, host string) (*tls.Config, error) {
	config := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the broker's roots: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s", o.CAFile)
		}
	}
	if o.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// explain says in words why there is no connection.
func explain(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var dns *net.DNSError
	var no refused
	switch {
	case err == nil:
		return "the connection ended"
	case errors.Is(err, context.Canceled):
		return "stopped"
	case errors.As(err, &no):
		return no.reason
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at the broker's address (connection refused)"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "the broker does not answer"
	case errors.As(err, &dns):
		return fmt.Sprintf("the broker's name %q is not known", dns.Name)
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by nobody known; give its authority with --ca"
	case errors.As(err, &host):
		return "the broker's certificate is for another name"
	case errors.Is(err, io.EOF):
		return "the broker closed the connection"
	}
	return err.Error()
}

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"

	"primum/identity"
	"primum/internal/certs"
)

// certFolder holds account, certificate and keys of ACME.
const certFolder = "acme"

// encrypted is what a node needs to get its certificate itself.
type encrypted struct {
	keeper   *certs.Keeper
	listener net.Listener // of port 80; nil: off
	server   *http.Server
}

// openTLS listens on port 80 and readies what keeps the certificate. Nothing
// is asked of an authority before Serve.
func (n *Node) openTLS(ctx context.Context) (err error) {
	if n.cfg.ACME == nil {
		return nil
	}
	e := &encrypted{}
	c := n.cfg.certs()
	if c.HTTPPort >= 0 {
		if e.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.HTTPPort))); err != nil {
			return fmt.Errorf("listen for visits to port 80: %w; another program may use it, acme.http says another or off", err)
		}
		c.HTTPPort = portOf(e.listener.Addr())
	}
	c.TLSPort = portOf(n.listener.Addr())
	if e.keeper, err = certs.New(c); err != nil {
		if e.listener != nil {
			_ = e.listener.Close()
		}
		return err
	}
	e.server = &http.Server{
		Handler: e.keeper.HTTP(), ReadHeaderTimeout: headerWait, ReadTimeout: headerWait, WriteTimeout: bodyWait,
		IdleTimeout: headerWait, MaxHeaderBytes: headerMax, ErrorLog: quiet(n.cfg.Log),
	}
	n.tls = e
	return nil
}

// Certs is how a configuration's certificate is kept; ok is false without
// ACME. It is checked as by Open.
func (c Config) Certs() (k certs.Config, ok bool, err error) {
	c, err = c.withDefaults()
	if err != nil || c.ACME == nil {
		return k, false, err
	}
	if c.Authority, err = identity.ParseAuthority(c.Authority); err != nil {
		return k, false, err
	}
	return c.certs(), true, nil
}

// certs is of a configuration with ACME that is checked. Port 0 is the
// kernel's choice.
func (c Config) certs() certs.Config {
	k := certs.Config{
		Domain: c.Authority, Dir: filepath.Join(c.DataDir, certFolder), CA: c.ACME.CA, Email: c.ACME.Email, Agreed: c.ACME.Agreed, Log: c.Log,
		HTTPPort: 80,
	}
	host, port, _ := net.SplitHostPort(c.Listen) // settle has looked at it
	k.Host = host
	k.TLSPort, _ = strconv.Atoi(port)
	switch host, port, err := net.SplitHostPort(c.ACME.HTTP); {
	case c.ACME.HTTP == "off":
		k.HTTPPort = -1
	case err == nil:
		k.Host = host
		k.HTTPPort, _ = strconv.Atoi(port)
	}
	return k
}

func portOf(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// run answers on port 80 and keeps the certificate until ctx ends.
func (e *encrypted) run(ctx context.Context, log *slog.Logger) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if e.listener == nil {
			return
		}
		if err := e.server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("port 80 is not answered any more", "error", err)
		}
	}()
	if err := e.keeper.Start(ctx); err != nil {
		log.Error("certificate not kept", "error", err)
	}
	<-ctx.Done()
	_ = e.server.Close()
	<-done
}

func (e *encrypted) close() {
	e.keeper.Close()
	_ = e.server.Close()
	if e.listener != nil {
		_ = e.listener.Close()
	}
}

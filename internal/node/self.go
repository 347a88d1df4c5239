package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"path/filepath"
	"strings"

	"primum/identity"
	"primum/internal/durable"
)

const (
	keyFile  = "node.key"
	selfFile = "node.json"
	keyBlock = "PRIVATE KEY"
)

// self is what a data directory knows of its node.
type self struct {
	Authority string `json:"authority"`
}

func loadSelf(dir string) (s self, err error) {
	b, err := durable.ReadFile(filepath.Join(dir, selfFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read %s: %w", selfFile, err)
	}
	if err := json.Unmarshal(b, &s); err != nil || s.Authority == "" {
		return s, fmt.Errorf("read %s: it does not name an authority", selfFile)
	}
	return s, nil
}

func saveSelf(dir string, s self) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write %s: %w", selfFile, err)
	}
	return durable.WriteFile(filepath.Join(dir, selfFile), append(b, '\n'))
}

// loadKey reads the node's key (PKCS #8 in PEM), or makes it on the first
// start.
func loadKey(dir string, random io.Reader) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	b, err := durable.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(path, random)
	}
	if err != nil {
		return nil, fmt.Errorf("read the node's key: %w", err)
	}
	return parseKey(b)
}

func parseKey(b []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != keyBlock {
		return nil, fmt.Errorf("read the node's key: %s holds no PEM private key; restore it from a backup", keyFile)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("read the node's key: %s holds no Ed25519 key; restore it from a backup", keyFile)
	}
	return key, nil
}

func newKey(path string, random io.Reader) (ed25519.PrivateKey, error) {
	if random == nil {
		random = rand.Reader
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("make the node's key: %w", err)
	}
	key := ed25519.NewKeyFromSeed(seed)
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the node's key: %w", err)
	}
	if err := durable.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: b})); err != nil {
		return nil, fmt.Errorf("keep the node's key: %w", err)
	}
	return key, nil
}

// listenAt is where to listen: a .localhost authority brings its port along,
// this run's or the last one's.
func (c Config) listenAt(known self) (string, error) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "", fmt.Errorf("the address to listen on must be host:port: %w", err)
	}
	if !c.Loopback() {
		return c.Listen, nil
	}
	_, own, named := strings.Cut(c.Authority, ":")
	if !named && strings.HasPrefix(known.Authority, c.Authority+":") {
		_, own, named = strings.Cut(known.Authority, ":")
	}
	switch {
	case !named:
	case port == "0", c.defaultListen:
		port = own
	case port != own:
		return "", fmt.Errorf("the domain %s says port %s, the address to listen on says %s", c.Authority, own, port)
	}
	return net.JoinHostPort(host, port), nil
}

func hasPort(authority string) bool { return strings.Contains(authority, ":") }

// quiet takes the server's own complaints (broken handshakes, mostly) into the
// log without their text, which holds addresses.
func quiet(l *slog.Logger) *log.Logger { return log.New(complaints{l}, "", 0) }

type complaints struct{ log *slog.Logger }

func (c complaints) Write(b []byte) (int, error) {
	c.log.Debug("connection failed")
	return len(b), nil
}

// Prepare makes a node's directory and its key, and keeps the authority, ahead
// of the first start. What is there already stays; a directory of another
// authority is refused.
func Prepare(c Config) error {
	authority, err := identity.ParseAuthority(c.Authority)
	if err != nil {
		return fmt.Errorf("prepare node: %w", err)
	}
	if err := durable.MakeDir(c.DataDir); err != nil {
		return fmt.Errorf("prepare node: %w", err)
	}
	known, err := loadSelf(c.DataDir)
	switch {
	case err != nil:
	case known.Authority == "":
		err = saveSelf(c.DataDir, self{Authority: authority})
	case known.Authority != authority:
		err = fmt.Errorf("this directory belongs to the node of %s, not %s", known.Authority, authority)
	}
	if err == nil {
		_, err = loadKey(c.DataDir, c.Rand)
	}
	if err != nil {
		return fmt.Errorf("prepare node in %s: %w", c.DataDir, err)
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/nethttp"
	"primum/identity"
	"primum/internal/local"
	"primum/internal/node"
	"primum/internal/operator"
	"primum/internal/wire"
)

// publisherFlags say which node's public things are changed, and where the
// token is. Without any it is the only node of this machine, whose token lies
// in its data directory.
type publisherFlags struct {
	at              nodeDirFlags
	node, tokenFile string
}

func (f *publisherFlags) add(a *app, c *cobra.Command) {
	c.Flags().StringVar(&f.node, "node", "", a.words.Get("flag.publisher-node"))
	c.Flags().StringVar(&f.tokenFile, "token-file", "", a.words.Get("flag.token-file"))
	f.at.add(a, c)
}

// publisher changes public things of one node.
type publisher struct {
	Base  string // of every address of the node, without a final slash
	Node  string // its domain
	token string
	agent string
	http  *http.Client
}

// publisher finds the node and the token: of --token-file, of PRIMUM_TOKEN, or
// of the node's data directory on this machine.
func (a *app) publisher(f *publisherFlags) (*publisher, error) {
	domain, token, err := a.publisherToken(f)
	if err != nil {
		return nil, err
	}
	return a.publisherAt(domain, token)
}

// publisherAt asks a node; without a token it reads.
func (a *app) publisherAt(domain, token string) (*publisher, error) {
	domain, err := a.domain(domain)
	if err != nil {
		return nil, err
	}
	host, _, _ := strings.Cut(domain, ":")
	return a.toNode(domain, append(ownHosts(a.env), host), token), nil // whose token one has is no stranger
}

// answerWait is how long a node may take from the end of a request to the begin
// of its answer: the largest part of an import takes it seconds to write.
const answerWait = time.Minute

// toNode asks a node; hosts of own may have private addresses. Bodies may take
// as long as they do: imports and exports have any size.
func (a *app) toNode(domain string, own []string, token string) *publisher {
	rt := &http.Transport{
		DialContext: nethttp.Dialer{Own: own}.DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: answerWait,
	}
	return &publisher{
		Base: identity.BaseURL(domain), Node: domain, token: token, agent: "primum/" + a.version,
		http: &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

func (a *app) publisherToken(f *publisherFlags) (domain, token string, err error) {
	file := f.tokenFile
	if domain, token = f.node, strings.TrimSpace(a.env("PRIMUM_TOKEN")); domain == "" {
		var dir string
		if domain, dir, err = a.nodeHere(&f.at); err != nil {
			return "", "", err
		}
		if file == "" && token == "" {
			file = filepath.Join(dir, operator.TokenFile)
		}
	}
	if dir, ok := local.NodeDir(domain); ok && file == "" && token == "" {
		file = filepath.Join(dir, operator.TokenFile)
	}
	if file != "" {
		b, err := readFact(file, 4<<10)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			return "", "", a.said(exitFailed, "publisher.notoken", "File", file)
		}
		return domain, strings.TrimSpace(string(b)), err
	}
	if token == "" {
		return "", "", a.said(exitUsage, "publisher.needstoken")
	}
	return domain, token, nil
}

// nodeHere is the node on this machine that flags name, or the only one.
func (a *app) nodeHere(at *nodeDirFlags) (domain, dir string, err error) {
	dir, err = at.dir(a)
	if unsaid, ok := errors.AsType[*failure](err); ok && unsaid.code == exitUsage {
		return "", "", a.said(exitUsage, "publisher.which")
	}
	if err != nil {
		return "", "", err
	}
	domain, err = node.Authority(dir)
	if err == nil && domain == "" {
		err = a.said(exitFailed, "serve.nodata", "Data", dir)
	}
	return domain, dir, err
}

// Do sends a request with the token; path begins with a slash. The caller
// closes the answer's body. An answer of 300 and more is an error (nobody is
// led elsewhere with a token): the *wire.Problem that the node sent, where it
// sent one.
func (p *publisher) Do(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.Base+path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	req.Header.Set("User-Agent", p.agent)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := p.http.Do(req)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("ask %s: %w: %w", p.Node, client.ErrUnreachable, err)
	case resp.StatusCode < http.StatusMultipleChoices:
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, refusal(resp)
}

// refusal is what a node answered instead of doing it.
func refusal(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the node's refusal: %w", err)
	}
	var p wire.Problem
	if json.Unmarshal(b, &p) != nil || p.Type == "" {
		return fmt.Errorf("the node answered %s", resp.Status)
	}
	p.Status = resp.StatusCode
	return &p
}

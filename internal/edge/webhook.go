package edge

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"primum/internal/clock"
	"primum/internal/durable"
)

// Headers of a webhook's requests. The signature is "v1=" and the hex
// HMAC-SHA256, under the shared secret, of the timestamp (Unix seconds), a dot
// and the body.
const (
	HeaderTimestamp   = "Primum-Timestamp"
	HeaderSignature   = "Primum-Signature"
	HeaderIdempotency = "Idempotency-Key"
)

// Rhythm and bounds of a webhook.
const (
	hookFirst    = time.Second
	hookMost     = 5 * time.Minute
	hookTimeout  = 20 * time.Second
	hookAge      = 7 * 24 * time.Hour
	hookItems    = 100_000
	hookBytes    = 64 << 20
	minHookBytes = 16 // of the secret
)

// WebhookOptions says where deliveries are posted.
type WebhookOptions struct {
	URL    string
	Secret []byte // shared with the program that receives, at least 16 bytes
	Dir    string // of the queue
	Client *http.Client
	Clock  clock.Clock
	Log    *slog.Logger
}

// Webhook posts deliveries, one after the other and in order, until each is
// taken (2xx) or a week old.
type Webhook struct {
	o      WebhookOptions
	queue  *queue
	lock   *durable.Lock
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	problem string // under mu
}

// queued is a delivery in the queue.
type queued struct {
	ID    string          `json:"id"`
	Since time.Time       `json:"since"`
	Body  json.RawMessage `json:"body"`
}

// NewWebhook opens the queue and goes on with what waits in it.
func NewWebhook(o WebhookOptions) (*Webhook, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("a webhook is written https://host/path")
	}
	if len(o.Secret) < minHookBytes {
		return nil, fmt.Errorf("a webhook's secret has at least %d bytes", minHookBytes)
	}
	if o.Clock == nil {
		o.Clock = clock.Real()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: hookTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the secret's signature goes to the one address that was given
		}}
	}
	w := &Webhook{o: o}
	if err := durable.MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open webhook: %w", err)
	}
	if w.lock, err = durable.LockDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open webhook: %w", err)
	}
	if w.queue, err = openQueue(filepath.Join(o.Dir, "webhook.log"), hookItems, hookBytes); err != nil {
		return nil, errors.Join(err, w.lock.Close())
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.ended.Go(func() { w.run(ctx) })
	return w, nil
}

// Deliver puts a delivery in the queue; it is on disk when Deliver returns.
func (w *Webhook) Deliver(_ context.Context, d Delivery) error {
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("queue for webhook: %w", err)
	}
	item, err := json.Marshal(queued{ID: d.ID, Since: w.o.Clock.Now(), Body: body})
	if err != nil {
		return fmt.Errorf("queue for webhook: %w", err)
	}
	return w.queue.add(item)
}

// Waiting tells how many deliveries wait, how many were dropped, and why the
// oldest is not delivered yet.
func (w *Webhook) Waiting() (waiting int, dropped uint64, problem string) {
	waiting, dropped = w.queue.counts()
	w.mu.Lock()
	defer w.mu.Unlock()
	return waiting, dropped, w.problem
}

// Close stops posting; what waits stays in the queue.
func (w *Webhook) Close() error {
	w.cancel()
	w.ended.Wait()
	return errors.Join(w.queue.close(), w.lock.Close())
}

func (w *Webhook) run(ctx context.Context) {
	wait := hookFirst
	for ctx.Err() == nil {
		item := w.queue.head()
		if item == nil {
			select {
			case <-ctx.Done():
			case <-w.queue.wake:
			}
			continue
		}
		after, err := w.post(ctx, item)
		if err == nil {
			wait = hookFirst
			w.note(w.queue.done(item))
			continue
		}
		w.note(err)
		timer := w.o.Clock.NewTimer(max(wait, after))
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C():
		}
		wait = min(2*wait, hookMost)
	}
}

func (w *Webhook) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
		w.o.Log.Warn("webhook", "problem", text)
	}
	w.problem = text
}

// post makes one attempt; nil means that the item need not be tried again. The
// duration is what the other side asked to wait.
func (w *Webhook) post(ctx context.Context, item []byte) (time.Duration, error) {
	var q queued
	if err := json.Unmarshal(item, &q); err != nil {
		return 0, nil // not ours; nothing to deliver
	}
	now := w.o.Clock.Now()
	if now.Sub(q.Since) > hookAge {
		w.o.Log.Warn("webhook", "problem", "a delivery was dropped: nobody took it for a week")
		return 0, nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.o.URL, bytes.NewReader(q.Body))
	if err != nil {
		return 0, fmt.Errorf("post to webhook: %w", err)
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(HeaderIdempotency, q.ID)
	request.Header.Set(HeaderTimestamp, stamp)
	request.Header.Set(HeaderSignature, SignWebhook(w.o.Secret, stamp, q.Body))
	response, err := w.o.Client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("post to webhook: %w", err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	_ = response.Body.Close()
	if response.StatusCode/100 != 2 {
		return retryAfter(response.Header.Get("Retry-After")), fmt.Errorf("post to webhook: it answered %s; it is tried again", response.Status)
	}
	return 0, nil
}

// retryAfter reads seconds, at most an hour.
func retryAfter(s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, time.Hour)
}

// SignWebhook makes the signature of a request. A receiver computes the same
// over what it got, compares in constant time, and refuses timestamps that are
// more than five minutes off.
func SignWebhook(secret []byte, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(timestamp + ".")) // a hash never fails
	_, _ = mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

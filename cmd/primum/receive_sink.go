package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"primum/internal/durable"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
)

// sink is where `receive` passes values on to. What it remembers lies beside
// the keys of the identity.
func (a *app) sink(o *opened, f receiveFlags) (edge.Sink, error) {
	dir := filepath.Join(o.vault.Dir(), "receive")
	switch {
	case f.webhook != "":
		return a.webhook(dir, f)
	case f.file != "":
		return edge.NewFileSink(f.file)
	case f.mqtt != "":
		password, err := readSecret(f.mqttPasswordFile)
		if err != nil {
			return nil, err
		}
		b := mqtt.Options{URL: f.mqtt, Username: f.mqttUser, Password: string(password), Clock: a.clock, Log: a.serverLog()}
		return edge.NewBrokerSink(edge.BrokerSinkOptions{Broker: b, Dir: filepath.Join(dir, "broker")})
	}
	return edge.NewWriterSink(a.out)
}

func (a *app) webhook(dir string, f receiveFlags) (edge.Sink, error) {
	secret, err := readSecret(f.secretFile)
	if err != nil {
		return nil, err
	}
	if f.secretFile == "" {
		file := filepath.Join(dir, "webhook.secret")
		if secret, err = a.ownSecret(dir, file); err != nil {
			return nil, err
		}
		a.hint("receive.secret", "File", file)
	}
	return edge.NewWebhook(edge.WebhookOptions{
		URL: f.webhook, Secret: secret, Dir: filepath.Join(dir, "webhook"), Clock: a.clock, Log: a.serverLog(),
	})
}

// ownSecret is the secret made at the first use.
func (a *app) ownSecret(dir, file string) ([]byte, error) {
	secret, err := readSecret(file)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	var raw [32]byte
	if _, err := io.ReadFull(a.rand, raw[:]); err != nil {
		return nil, fmt.Errorf("make webhook secret: %w", err)
	}
	if err := durable.MakeDir(dir); err != nil {
		return nil, err
	}
	secret = []byte(hex.EncodeToString(raw[:]))
	return secret, durable.WriteFile(file, secret)
}

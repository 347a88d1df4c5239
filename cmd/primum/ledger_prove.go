package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"primum/client"
	"primum/client/monitor"
	"primum/ledger"
)

type proveFlags struct {
	leaf  string
	entry string
	out   string
}

func ledgerProveCommand(a *app) *cobra.Command {
	var f proveFlags
	c := a.command("prove RECEIPT", "ledger-prove", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		return a.prove(cmd, args[0], f)
	})
	c.Flags().StringVar(&f.leaf, "leaf", "", a.words.Get("flag.leaf"))
	c.Flags().StringVar(&f.entry, "entry", "", a.words.Get("flag.entry"))
	c.Flags().StringVar(&f.out, "out", "", a.words.Get("flag.proof-out"))
	c.MarkFlagsMutuallyExclusive("leaf", "entry")
	return c
}

// prove checks a receipt: a node's promise, which the node must keep now, or a
// proof that is complete.
func (a *app) prove(cmd *cobra.Command, file string, f proveFlags) error {
	text, err := readSmall(a.in, file)
	if err != nil {
		return usage(err)
	}
	m := a.monitor()
	var p monitor.Proof
	if promise := promiseIn(text); promise != "" {
		p, err = m.Redeem(cmd.Context(), promise)
	} else {
		p, err = a.proveReceipt(cmd, m, text, f)
	}
	if err != nil {
		return a.notProved(p, err)
	}
	if f.out != "" {
		if err := os.WriteFile(f.out, p.Receipt.Text(), 0o600); err != nil {
			return fmt.Errorf("write the proof: %w", err)
		}
	}
	a.showProof(p)
	return nil
}

func (a *app) proveReceipt(cmd *cobra.Command, m monitor.Monitor, text []byte, f proveFlags) (monitor.Proof, error) {
	entry, err := a.entryOf(f)
	if err != nil {
		return monitor.Proof{}, err
	}
	if entry == nil {
		if entry, err = m.EntryAt(cmd.Context(), text); err != nil {
			return monitor.Proof{}, err
		}
	}
	return m.Check(cmd.Context(), text, entry)
}

// entryOf is what the caller says that the receipt is about; nil: nothing.
func (a *app) entryOf(f proveFlags) ([]byte, error) {
	switch {
	case f.leaf != "":
		leaf, err := hex.DecodeString(f.leaf)
		if err != nil || len(leaf) != ledger.LeafSize {
			return nil, a.said(exitUsage, "ledger.prove.leaf")
		}
		return leaf, nil
	case f.entry != "":
		line, err := readSmall(a.in, f.entry)
		if err != nil {
			return nil, usage(err)
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
	return nil, nil
}

// readSmall reads a file of receipt size; "-" is standard input.
func readSmall(in io.Reader, file string) ([]byte, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, ledger.MaxReceipt+1))
	if err == nil && len(b) > ledger.MaxReceipt {
		err = fmt.Errorf("%w receipt: longer than %d bytes", ledger.ErrMalformed, ledger.MaxReceipt)
	}
	return b, err
}

// promiseIn is the promise in a text: alone, or as "promise" of a JSON object,
// which is how commands print it. Empty if there is none.
func promiseIn(text []byte) string {
	text = bytes.TrimSpace(text)
	var o struct {
		Promise string `json:"promise"`
	}
	if json.Unmarshal(text, &o) == nil {
		return o.Promise
	}
	if bytes.Count(text, []byte(".")) == 2 && !bytes.ContainsAny(text, "\n ") {
		return string(text)
	}
	return ""
}

func (a *app) notProved(p monitor.Proof, err error) error {
	var f *ledger.Finding
	switch {
	case errors.Is(err, monitor.ErrWaiting):
		return a.said(exitRefused, "ledger.prove.waiting", "By", a.when(p.By))
	case errors.As(err, &f):
		return a.accuse(ledger.Authority(f.Log), ledger.Report{Findings: []*ledger.Finding{f}})
	case errors.Is(err, ledger.ErrUnreachable):
		return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
	case errors.Is(err, ledger.ErrProof), errors.Is(err, ledger.ErrSignature), errors.Is(err, ledger.ErrMalformed), errors.Is(err, ledger.ErrWitness):
		return a.said(exitFailed, "ledger.prove.no", "What", err.Error())
	}
	return err
}

func (a *app) showProof(p monitor.Proof) {
	if a.json {
		cosigned := []witnessLine{}
		for _, c := range p.Checkpoint.Cosigned {
			cosigned = append(cosigned, witnessLine{Name: c.Name, Cosigned: true, At: c.At})
		}
		a.line(map[string]any{
			"good": true, "log": p.Log.Origin, "index": p.Receipt.Index, "size": p.Checkpoint.Size,
			"entry": hex.EncodeToString(p.Entry), "witnesses": cosigned,
		})
		return
	}
	a.say("ledger.prove.yes", "Index", p.Receipt.Index, "Log", p.Log.Origin, "Size", p.Checkpoint.Size)
	for _, c := range p.Checkpoint.Cosigned {
		a.say("ledger.witness", "Name", ledger.Authority(c.Name), "At", a.when(c.At))
	}
	if len(p.Checkpoint.Cosigned) == 0 {
		a.say("ledger.witness.none")
	}
	if e, err := ledger.ParseEntry(p.Entry); err == nil {
		a.say("ledger.fact", "Type", string(e.T), "At", a.when(e.At), "Ref", e.Ref)
	}
}

package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// DefaultWorkFactor is scrypt's cost as a power of two: about a second.
const DefaultWorkFactor = 18

// maxWorkFactor bounds what a file may ask of the machine that opens it.
const maxWorkFactor = 20

// maxWrapped bounds a wrapped file, in bytes.
const maxWrapped = 1 << 20

// wrap encrypts to a passphrase as an armored age file. A work factor of 0 is
// the default; tests use a low one.
func wrap(plain []byte, passphrase string, workFactor int) ([]byte, error) {
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	if workFactor == 0 {
		workFactor = DefaultWorkFactor
	}
	r.SetWorkFactor(workFactor)
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, r)
	if err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	return out.Bytes(), nil
}

// unwrap decrypts what wrap made; a wrong passphrase is ErrPassphrase.
func unwrap(file []byte, passphrase string) ([]byte, error) {
	if len(file) > maxWrapped {
		return nil, errors.New("the file is too large to be ours")
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(file)), id)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, ErrPassphrase
	case err != nil:
		return nil, fmt.Errorf("read age file: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxWrapped))
	if err != nil {
		return nil, fmt.Errorf("read age file: %w", err)
	}
	return plain, nil
}

package vectors

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"primum/grant"
	"primum/internal/wire"
	"primum/ledger"
)

func TestCommitments(t *testing.T) {
	type event struct {
		State string `json:"state"`
		Leaf  string `json:"leaf"` // hex
	}
	kGrant := seedOf("k_grant")
	var events []event
	for _, s := range []grant.State{grant.Given, grant.Withdrawn, grant.Revoked, grant.Superseded, grant.Expired} {
		leaf := wire.GrantCommitment(kGrant, string(s))
		if want := mac(kGrant, "primum ledger v1 grant\x00"+strings.ToLower(string(s))); leaf != want {
			t.Errorf("leaf of %s is not as the specification says", s)
		}
		events = append(events, event{string(s), hex.EncodeToString(leaf[:])})
	}
	transcript, commit := seedOf("transcript"), []byte("a commit")
	epoch := wire.EpochCommitment(transcript, 7, commit)
	hash, sum := sha256.Sum256(transcript), sha256.Sum256(commit)
	label := string(binary.BigEndian.AppendUint64([]byte("primum ledger v1 epoch\x00"), 7)) + string(sum[:]) + string(hash[:])
	if epoch != mac(hash[:], label) {
		t.Error("leaf of an epoch is not as the specification says")
	}
	leaf := wire.GrantCommitment(kGrant, string(grant.Given))
	promise, err := ledger.Promise{Origin: ledger.CommitmentsOrigin("h.example"), Leaf: leaf[:], By: now().Add(4 * time.Hour)}.Sign("node", signer("node"))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "commitments.json", map[string]any{
		"about":  "leaves of the commitments log that members of circles make again, and the promise of the first one",
		"kGrant": hex.EncodeToString(kGrant), "events": events, "promise": promise, "promisedBy": hex.EncodeToString(public("node")),
		"epoch": map[string]any{
			"transcript": hex.EncodeToString(transcript), "epoch": 7, "commit": hex.EncodeToString(commit), "leaf": hex.EncodeToString(epoch[:]),
		},
	})
}

func mac(key []byte, label string) [32]byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(label))
	return [32]byte(m.Sum(nil))
}

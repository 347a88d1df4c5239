package schedule_test

import (
	"bytes"
	"testing"

	"primum/mls/internal/codec"
	"primum/mls/internal/schedule"
	"primum/mls/internal/suite"
	"primum/mls/internal/vectors"
)

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

type scheduleRow struct {
	CipherSuite uint16      `json:"cipher_suite"`
	GroupID     vectors.Hex `json:"group_id"`
	InitSecret  vectors.Hex `json:"initial_init_secret"`
	Epochs      []scheduleEpoch
}

type scheduleEpoch struct {
	TreeHash      vectors.Hex `json:"tree_hash"`
	CommitSecret  vectors.Hex `json:"commit_secret"`
	PSKSecret     vectors.Hex `json:"psk_secret"`
	Transcript    vectors.Hex `json:"confirmed_transcript_hash"`
	GroupContext  vectors.Hex `json:"group_context"`
	Joiner        vectors.Hex `json:"joiner_secret"`
	Welcome       vectors.Hex `json:"welcome_secret"`
	Init          vectors.Hex `json:"init_secret"`
	SenderData    vectors.Hex `json:"sender_data_secret"`
	Encryption    vectors.Hex `json:"encryption_secret"`
	Exporter      vectors.Hex `json:"exporter_secret"`
	Authenticator vectors.Hex `json:"epoch_authenticator"`
	External      vectors.Hex `json:"external_secret"`
	Confirmation  vectors.Hex `json:"confirmation_key"`
	Membership    vectors.Hex `json:"membership_key"`
	Resumption    vectors.Hex `json:"resumption_psk"`
	ExternalPub   vectors.Hex `json:"external_pub"`
	Export        struct {
		Label   string
		Context vectors.Hex
		Length  int
		Secret  vectors.Hex
	} `json:"exporter"`
}

// TestKeySchedule runs key-schedule.json of the working group.
func TestKeySchedule(t *testing.T) {
	t.Parallel()
	vectors.Each(t, "key-schedule", func(t *testing.T, _ int, row scheduleRow) bool {
		s, err := suite.ByID(row.CipherSuite)
		if err != nil {
			return false
		}
		initSecret := []byte(row.InitSecret)
		for i, e := range row.Epochs {
			equal(t, "group context", contextOf(row, e, uint64(i)), e.GroupContext)
			initSecret = checkEpoch(t, s, initSecret, e)
		}
		return true
	})
}

func contextOf(row scheduleRow, e scheduleEpoch, epoch uint64) []byte {
	c := schedule.Context{Suite: row.CipherSuite, GroupID: row.GroupID, Epoch: epoch, TreeHash: e.TreeHash, Transcript: e.Transcript}
	return c.Bytes()
}

func checkEpoch(t *testing.T, s *suite.Suite, initSecret []byte, e scheduleEpoch) []byte {
	t.Helper()
	joiner := schedule.Joiner(s, initSecret, e.CommitSecret, e.GroupContext)
	equal(t, "joiner", joiner, e.Joiner)
	welcome, out := schedule.FromJoiner(s, joiner, e.PSKSecret, e.GroupContext)
	equal(t, "welcome", welcome, e.Welcome)
	equal(t, "sender data", out.SenderData, e.SenderData)
	equal(t, "encryption", out.Encryption, e.Encryption)
	equal(t, "exporter", out.Exporter, e.Exporter)
	equal(t, "authenticator", out.Authenticator, e.Authenticator)
	equal(t, "external", out.External, e.External)
	equal(t, "confirmation", out.Confirmation, e.Confirmation)
	equal(t, "membership", out.Membership, e.Membership)
	equal(t, "resumption", out.Resumption, e.Resumption)
	equal(t, "init", out.Init, e.Init)
	_, pub, err := s.DeriveKeyPair(out.External)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "external public key", pub, e.ExternalPub)
	equal(t, "export", schedule.Export(s, out.Exporter, e.Export.Label, e.Export.Context, e.Export.Length), e.Export.Secret)
	return bytes.Clone(out.Init)
}

// TestPSKSecret runs psk_secret.json of the working group.
func TestPSKSecret(t *testing.T) {
	t.Parallel()
	type row struct {
		CipherSuite uint16 `json:"cipher_suite"`
		PSKs        []struct {
			ID    vectors.Hex `json:"psk_id"`
			PSK   vectors.Hex `json:"psk"`
			Nonce vectors.Hex `json:"psk_nonce"`
		} `json:"psks"`
		Secret vectors.Hex `json:"psk_secret"`
	}
	vectors.Each(t, "psk_secret", func(t *testing.T, _ int, row row) bool {
		s, err := suite.ByID(row.CipherSuite)
		if err != nil {
			return false
		}
		var ids []schedule.PSKID
		var keys [][]byte
		for _, p := range row.PSKs {
			ids = append(ids, schedule.PSKID{Type: schedule.PSKExternal, ID: p.ID, Nonce: p.Nonce})
			keys = append(keys, p.PSK)
		}
		got := schedule.PSKSecret(s, ids, keys)
		if got == nil {
			got = make([]byte, s.HashLen())
		}
		equal(t, "psk secret", got, row.Secret)
		return true
	})
}

type ratchetRow struct {
	CipherSuite uint16 `json:"cipher_suite"`
	SenderData  struct {
		Secret     vectors.Hex `json:"sender_data_secret"`
		Ciphertext vectors.Hex
		Key, Nonce vectors.Hex
	} `json:"sender_data"`
	Encryption vectors.Hex `json:"encryption_secret"`
	Leaves     [][]struct {
		Generation       uint32
		HandshakeKey     vectors.Hex `json:"handshake_key"`
		HandshakeNonce   vectors.Hex `json:"handshake_nonce"`
		ApplicationKey   vectors.Hex `json:"application_key"`
		ApplicationNonce vectors.Hex `json:"application_nonce"`
	}
}

// TestSecretTree runs secret-tree.json of the working group: forwards, and
// with the generations of each leaf backwards out of the skipped keys.
func TestSecretTree(t *testing.T) {
	t.Parallel()
	vectors.Each(t, "secret-tree", func(t *testing.T, _ int, row ratchetRow) bool {
		s, err := suite.ByID(row.CipherSuite)
		if err != nil {
			return false
		}
		k := schedule.SenderDataKeys(s, row.SenderData.Secret, row.SenderData.Ciphertext)
		nonce := k.Nonce(s, [4]byte{})
		equal(t, "sender data key", k.Key(s), row.SenderData.Key)
		equal(t, "sender data nonce", nonce[:], row.SenderData.Nonce)
		for _, backwards := range []bool{false, true} {
			checkRatchets(t, s, row, backwards)
		}
		return true
	})
}

func checkRatchets(t *testing.T, s *suite.Suite, row ratchetRow, backwards bool) {
	t.Helper()
	tree := schedule.NewTree(s, bytes.Clone(row.Encryption), uint32(len(row.Leaves)))
	for leaf, rows := range row.Leaves {
		for i := range rows {
			if backwards {
				i = len(rows) - 1 - i
			}
			v := rows[i]
			checkKey(t, s, tree, uint32(leaf), schedule.Handshake, v.Generation, v.HandshakeKey, v.HandshakeNonce)
			checkKey(t, s, tree, uint32(leaf), schedule.Application, v.Generation, v.ApplicationKey, v.ApplicationNonce)
			tree = restored(t, s, tree)
		}
	}
}

func checkKey(t *testing.T, s *suite.Suite, tree *schedule.Tree, leaf uint32, kind schedule.Content, generation uint32, key, nonce []byte) {
	t.Helper()
	st, err := tree.Find(leaf, kind, generation, schedule.Limits{MaxJump: 1000, Window: 64})
	if err != nil {
		t.Fatal(err)
	}
	got := st.Key.Nonce(s, [4]byte{})
	equal(t, "key", st.Key.Key(s), key)
	equal(t, "nonce", got[:], nonce)
	tree.Consume(st)
}

func restored(t *testing.T, s *suite.Suite, tree *schedule.Tree) *schedule.Tree {
	t.Helper()
	var w, again codec.Writer
	tree.Write(&w)
	r := codec.NewReader(w.Out())
	out := schedule.ReadTree(r, s)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	out.Write(&again)
	equal(t, "tree written again", again.Out(), w.Out())
	return out
}

// TestTranscriptHashes runs transcript-hashes.json of the working group.
func TestTranscriptHashes(t *testing.T) {
	t.Parallel()
	type row struct {
		CipherSuite uint16      `json:"cipher_suite"`
		Key         vectors.Hex `json:"confirmation_key"`
		Content     vectors.Hex `json:"authenticated_content"`
		Before      vectors.Hex `json:"interim_transcript_hash_before"`
		Confirmed   vectors.Hex `json:"confirmed_transcript_hash_after"`
		Interim     vectors.Hex `json:"interim_transcript_hash_after"`
	}
	vectors.Each(t, "transcript-hashes", func(t *testing.T, _ int, row row) bool {
		s, err := suite.ByID(row.CipherSuite)
		if err != nil {
			return false
		}
		// A commit's AuthenticatedContent ends in the tag as a vector.
		end := len(row.Content) - s.HashLen()
		input, tag := row.Content[:end-1], row.Content[end:]
		confirmed := schedule.Confirmed(s, row.Before, input)
		equal(t, "confirmed", confirmed, row.Confirmed)
		equal(t, "interim", schedule.Interim(s, confirmed, tag), row.Interim)
		if !schedule.CheckConfirmation(s, row.Key, confirmed, tag) {
			t.Error("confirmation tag does not verify")
		}
		return true
	})
}

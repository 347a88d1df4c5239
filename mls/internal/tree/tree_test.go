package tree

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"primum/mls/internal/codec"
	"primum/mls/internal/suite"
)

// TestRandomEvolution drives trees through random commits: members agree, the
// kept hashes are those of a tree read anew, and a joiner accepts every tree.
// RFC 9420 §7.5 M2, §7.6 M1, §12.1.1 R3, §12.1.2 R2
func TestRandomEvolution(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		w := newWorld(t, seed)
		for range 40 {
			before, encoded := w.tree, w.tree.Bytes()
			w.step(20)
			if !bytes.Equal(before.Bytes(), encoded) {
				t.Fatalf("seed %d: a commit changed the tree it started from", seed)
			}
			anew := mustParse(t, w.s, w.tree.Bytes())
			if !bytes.Equal(anew.Hash(), w.tree.Hash()) {
				t.Fatalf("seed %d: kept hashes are stale", seed)
			}
			if err := anew.Validate(w.rules()); err != nil {
				t.Fatalf("seed %d, epoch %d: %v", seed, w.epoch, err)
			}
		}
	}
}

// TestOneChangeRenewsLogHashes counts the nodes without a kept hash.
func TestOneChangeRenewsLogHashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	for range 300 {
		leaf, _, _ := w.client()
		if _, err := w.tree.Add(leaf); err != nil {
			t.Fatal(err)
		}
	}
	w.tree.Hash()
	next := w.tree.Clone()
	if err := next.Remove(5); err != nil {
		t.Fatal(err)
	}
	stale := 0
	for x, n := range next.nodes {
		if n == nil && w.tree.nodes[x] != nil || n != nil && n.hash == nil {
			stale++
		}
	}
	if stale > 10 {
		t.Errorf("removing one of 301 leaves makes %d hashes stale", stale)
	}
}

// RFC 9420 §12.1.1 R2, §12.1.3 R2
func TestExtendAndTruncate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.commit(change{sender: 0, add: 4})
	if w.tree.Width() != 8 || w.tree.Count() != 5 {
		t.Fatalf("width %d, count %d", w.tree.Width(), w.tree.Count())
	}
	w.commit(change{sender: 1, remove: []uint32{4}})
	if w.tree.Width() != 4 {
		t.Errorf("width after removing the fifth is %d", w.tree.Width())
	}
	w.commit(change{sender: 1, remove: []uint32{0, 2, 3}})
	if w.tree.Width() != 2 || len(w.members()) != 1 {
		t.Errorf("width %d, members %v", w.tree.Width(), w.members())
	}
	w.commit(change{sender: 1, add: 1})
	if w.tree.Leaf(0) == nil {
		t.Error("the leftmost blank leaf was not taken")
	}
}

func TestChangesOfNobodyAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	leaf, _, _ := w.client()
	for _, i := range []uint32{1, 7, 1 << 31, 1<<32 - 1} {
		if err := w.tree.Remove(i); !errors.Is(err, ErrNoMember) {
			t.Errorf("remove %d: %v", i, err)
		}
		if err := w.tree.Update(i, leaf); !errors.Is(err, ErrNoMember) {
			t.Errorf("update %d: %v", i, err)
		}
	}
	if err := w.tree.Reserve(MaxWidth); err == nil {
		t.Error("a tree beyond the limit was made")
	}
}

// TestParseAllocatesByInput: no length prefix or blank makes a tree much
// larger than its bytes.
// It counts the memory of the whole process and so runs alone.
func TestParseAllocatesByInput(t *testing.T) {
	w := newWorld(t, 4)
	leaf, _, _ := w.client()
	sparse := codec.Writer{}
	sparse.Vector(func(v *codec.Writer) {
		v.Fixed(make([]byte, 20_000))
		v.U8(1)
		v.U8(typeLeaf)
		leaf.Write(v)
	})
	inputs := [][]byte{
		{0xbf, 0xff, 0xff, 0xff}, {0x80, 0x00, 0x40, 0x00}, {3, 0, 0, 0}, {0x7f, 0xff, 1, 1}, sparse.Out(),
	}
	for _, in := range inputs {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		tr, err := Parse(w.s, in)
		if err == nil {
			tr.Hash()
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20+uint64(len(in))*2000 {
			t.Errorf("%d bytes of input made %d bytes of memory", len(in), got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	leaf, _, _ := w.client()
	node := func(kind uint8, write func(*codec.Writer)) func(*codec.Writer) {
		return func(v *codec.Writer) { v.U8(1); v.U8(kind); write(v) }
	}
	parent := &ParentNode{EncryptionKey: leaf.EncryptionKey}
	blank := func(v *codec.Writer) { v.U8(0) }
	for name, places := range map[string][]func(*codec.Writer){
		"empty":           {},
		"blank last":      {node(typeLeaf, leaf.Write), blank}, // RFC 9420 §12.4.3.3 M2
		"only blanks":     {blank, blank, blank},
		"parent for leaf": {node(typeParent, parent.Write)},
		"leaf for parent": {node(typeLeaf, leaf.Write), node(typeLeaf, leaf.Write)},
		"unknown kind":    {node(3, leaf.Write)},
		"presence 2":      {func(v *codec.Writer) { v.U8(2) }}, // RFC 9420 §2.1.1 M1
	} {
		var out codec.Writer
		out.Vector(func(v *codec.Writer) {
			for _, p := range places {
				p(v)
			}
		})
		if _, err := Parse(w.s, out.Out()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good := w.tree.Bytes()
	if _, err := Parse(w.s, append(bytes.Clone(good), 0)); err == nil {
		t.Error("bytes after the tree were accepted")
	}
	for n := range good {
		if _, err := Parse(w.s, good[:n]); err == nil {
			t.Errorf("accepted after %d of %d bytes", n, len(good))
		}
	}
}

// grown is a tree of six with parents set and an unmerged leaf at 5.
func grown(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, 6)
	w.commit(change{sender: 0, add: 4})
	for _, i := range []uint32{1, 2, 3, 4} {
		w.commit(change{sender: i})
	}
	w.commit(change{sender: 0, add: 1})
	if p := w.tree.parentAt(7); p == nil {
		t.Fatal("the root is blank")
	}
	return w
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	w := grown(t)
	if err := w.tree.Validate(w.rules()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Tree){
		"a parent's key": func(tr *Tree) { tr.nodes[1] = &node{parent: withKey(tr.parentAt(1), w)} }, // RFC 9420 §7.9.2 M1, R2, §12.4.3.1 R8
		"a parent's hash": func(tr *Tree) {
			tr.nodes[1] = &node{parent: &ParentNode{tr.parentAt(1).EncryptionKey, make([]byte, 32), nil}}
		},
		"a key that is none": func(tr *Tree) {
			tr.nodes[1] = &node{parent: &ParentNode{EncryptionKey: []byte{1, 2}}}
		},
		"an unmerged leaf elsewhere": func(tr *Tree) { addUnmerged(tr, 1, 3) }, // RFC 9420 §12.4.3.1 R10
		"an unmerged blank leaf":     func(tr *Tree) { addUnmerged(tr, 7, 7) },
		"unmerged leaves unsorted":   func(tr *Tree) { addUnmerged(tr, 7, 3, 2) }, // RFC 9420 §7.1 M1
		"unmerged leaves doubled":    func(tr *Tree) { addUnmerged(tr, 7, 2, 2) },
		"unmerged above only":        func(tr *Tree) { addUnmerged(tr, 7, 1) },      // RFC 9420 §12.4.3.1 R11
		"a leaf twice":               func(tr *Tree) { tr.nodes[12] = tr.nodes[2] }, // RFC 9420 §7.3 R8, R9
		"a moved leaf":               func(tr *Tree) { tr.nodes[12], tr.nodes[2] = tr.nodes[2], nil },
		"a blank leaf below":         func(tr *Tree) { tr.nodes[0] = nil },
		"too wide":                   func(tr *Tree) { _ = tr.Reserve(8) },
		"a swapped sibling":          func(tr *Tree) { tr.nodes[4], tr.nodes[6] = tr.nodes[6], tr.nodes[4] },
	} {
		tr := mustParse(t, w.s, w.tree.Bytes())
		if spoil(tr); tr.Validate(w.rules()) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	other := w.rules()
	other.GroupID = []byte("another")
	if err := w.tree.Validate(other); !errors.Is(err, suite.ErrSignature) {
		t.Errorf("tree of another group: %v", err)
	}
}

func withKey(p *ParentNode, w *world) *ParentNode {
	_, pub, _ := w.s.GenerateKeyPair(w.rnd)
	return &ParentNode{EncryptionKey: pub, ParentHash: p.ParentHash, Unmerged: p.Unmerged}
}

func addUnmerged(tr *Tree, x uint32, leaves ...uint32) {
	p := *tr.parentAt(x)
	p.Unmerged = leaves
	tr.nodes[x] = &node{parent: &p}
}

// TestTreeWithForeignParentIsRefused: an insider puts a key of its own above
// others without having been there (RFC 9420 §7.9.1).
// RFC 9420 §7.9.2 R1, R3
func TestTreeWithForeignParentIsRefused(t *testing.T) {
	t.Parallel()
	w := grown(t)
	tr := mustParse(t, w.s, w.tree.Bytes())
	_, pub, _ := w.s.GenerateKeyPair(w.rnd)
	tr.nodes[11] = &node{parent: &ParentNode{EncryptionKey: pub}}
	if err := tr.CheckParentHashes(); !errors.Is(err, ErrParentHash) {
		t.Errorf("foreign parent: %v", err)
	}
}

func TestCheckLeafRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 7)
	_, signer, _ := w.client()
	base := w.rules()
	base.At = time.Unix(150, 0)
	base.MaxLifetime = 100 * time.Second
	required := base
	required.Extensions = Extensions{{ExtRequiredCapabilities, Required{Extensions: []uint16{0xf001}}.Bytes()}}
	requiredProposal := base
	requiredProposal.Extensions = Extensions{{ExtRequiredCapabilities, Required{Proposals: []uint16{0xf001}}.Bytes()}}
	requiredCredential := base
	requiredCredential.Extensions = Extensions{{ExtRequiredCapabilities, Required{Credentials: []uint16{2}}.Bytes()}}
	broken := base
	broken.Extensions = Extensions{{ExtRequiredCapabilities, []byte{1}}}
	private := base
	private.Extensions = Extensions{{0xf0a1, nil}}
	for name, c := range map[string]struct {
		rules Rules
		spoil func(*LeafNode)
		want  string
	}{
		"as it should be":       {base, func(*LeafNode) {}, ""},
		"expired":               {base, func(l *LeafNode) { l.Lifetime = Lifetime{100, 149} }, "lifetime does not cover"}, // RFC 9420 §7.3 M2
		"not yet valid":         {base, func(l *LeafNode) { l.Lifetime = Lifetime{151, 200} }, "lifetime does not cover"},
		"too long":              {base, func(l *LeafNode) { l.Lifetime = Lifetime{100, 201} }, "longer than"},
		"backwards":             {base, func(l *LeafNode) { l.Lifetime = Lifetime{200, 100} }, "before it begins"},
		"source update":         {base, func(l *LeafNode) { l.Source = SourceUpdate }, "source 2"},
		"x509":                  {base, func(l *LeafNode) { l.Credential = Credential{Type: CredentialX509} }, "not accepted"}, // RFC 9420 §7.3 R1
		"no version":            {base, func(l *LeafNode) { l.Capabilities.Versions = nil }, "mls10"},
		"no suite":              {base, func(l *LeafNode) { l.Capabilities.Suites = []uint16{3} }, "suite"},
		"no credential":         {base, func(l *LeafNode) { l.Capabilities.Credentials = nil }, "credential type"}, // RFC 9420 §7.2 M3, §7.3 R3
		"unlisted extension":    {base, func(l *LeafNode) { l.Extensions = Extensions{{0xf002, nil}} }, "0xf002"},  // RFC 9420 §7.2 M3, §7.3 R4
		"short key":             {base, func(l *LeafNode) { l.EncryptionKey = []byte{1} }, "public key"},           // RFC 9420 §10 M2
		"no required extension": {required, func(*LeafNode) {}, "0xf001"},                                          // RFC 9420 §7.3 M1, §11.1 R1
		"no required proposal":  {requiredProposal, func(*LeafNode) {}, "0xf001"},
		"no required cred":      {requiredCredential, func(*LeafNode) {}, "0x0002"}, // RFC 9420 §7.3 M1
		"group's extension":     {private, func(*LeafNode) {}, "0xf0a1"},            // RFC 9420 §13.4 M6, M7
		"unreadable required":   {broken, func(*LeafNode) {}, "required capabilities"},
	} {
		draft, _ := w.draft(signer)
		c.spoil(draft)
		err := c.rules.CheckLeaf(w.sign(draft, signer, 0), 0, SourceKeyPackage)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLeafSignatureBindsPlace: an Update's leaf can't be used by another leaf
// or group (RFC 9420 §7.2).
// RFC 9420 §7.2 M6, §7.3 R2
func TestLeafSignatureBindsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 8)
	_, signer, _ := w.client()
	draft, _ := w.draft(signer)
	draft.Source = SourceUpdate
	leaf := w.sign(draft, signer, 3)
	if err := leaf.Verify(w.s, w.groupID, 3); err != nil {
		t.Fatal(err)
	}
	if leaf.Verify(w.s, w.groupID, 4) == nil || leaf.Verify(w.s, []byte("x"), 3) == nil {
		t.Error("the signature holds elsewhere")
	}
	if err := leaf.Draft().Sign(w.s, w.rnd, w.signers[0], w.groupID, 3); err == nil {
		t.Error("signed with a key that is not the leaf's")
	}
}

func TestKeyPackageRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 9)
	_, signer, _ := w.client()
	make1 := func(spoil func(*KeyPackage)) *KeyPackage {
		draft, _ := w.draft(signer)
		_, init, _ := w.s.GenerateKeyPair(w.rnd)
		k := &KeyPackage{Version: Version, Suite: w.s.ID(), InitKey: init, Leaf: draft, Extensions: Extensions{{ExtLastResort, nil}}}
		spoil(k)
		k.Leaf = w.sign(k.Leaf, signer, 0)
		if err := k.Sign(w.s, w.rnd, signer); err != nil {
			t.Fatal(err)
		}
		return k
	}
	good := make1(func(*KeyPackage) {})
	if err := w.rules().CheckKeyPackage(good); err != nil || !good.LastResort() {
		t.Fatalf("good key package: %v", err)
	}
	again, err := ParseKeyPackage(good.Bytes())
	if err != nil || !bytes.Equal(again.Ref(w.s), good.Ref(w.s)) {
		t.Fatalf("key package read again: %v", err)
	}
	for name, spoil := range map[string]func(*KeyPackage){
		"version":  func(k *KeyPackage) { k.Version = 2 }, // RFC 9420 §10 M4, §10.1 R1
		"suite":    func(k *KeyPackage) { k.Suite = 2 },
		"source":   func(k *KeyPackage) { k.Leaf.Source = SourceUpdate }, // RFC 9420 §7.3 R5, §10 M5
		"one key":  func(k *KeyPackage) { k.InitKey = k.Leaf.EncryptionKey },
		"init key": func(k *KeyPackage) { k.InitKey = []byte{1} }, // RFC 9420 §10 M1
	} {
		if w.rules().CheckKeyPackage(make1(spoil)) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := range good.Bytes() {
		b := bytes.Clone(good.Bytes())
		b[i] ^= 1
		if k, err := ParseKeyPackage(b); err == nil && w.rules().CheckKeyPackage(k) == nil {
			t.Errorf("bit of byte %d flipped: accepted", i)
		}
	}
}

func TestPrivateHidesKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	key := w.private[0].LeafKey()
	f, err := w.tree.Clone().Renew(PathOptions{Sender: 0, GroupID: w.groupID, Signer: w.signers[0], Rand: w.rnd})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{w.private[0], f} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, hex.EncodeToString(key)) || strings.Contains(out, fmt.Sprint(key)) || len(out) > 60 {
				t.Errorf("%s prints %q", verb, out)
			}
		}
	}
	f.Wipe()
	if !bytes.Equal(f.secrets[0], make([]byte, 32)) {
		t.Error("Wipe left a path secret")
	}
}

// RFC 9420 §7.5 M3b
func TestPrivateSurvivesWriting(t *testing.T) {
	t.Parallel()
	w := grown(t)
	for i, p := range w.private {
		var out codec.Writer
		p.Write(&out)
		r := codec.NewReader(out.Out())
		q := ReadPrivate(r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := q.Check(w.tree); err != nil || q.Leaf() != i {
			t.Errorf("member %d: %v", i, err)
		}
	}
	gone := w.private[3].Clone()
	next := w.tree.Clone()
	if err := next.Remove(2); err != nil {
		t.Fatal(err)
	}
	gone.Prune(next)
	if len(gone.keys) != 1 {
		t.Errorf("after its neighbour was removed member 3 keeps %d keys", len(gone.keys))
	}
}

// TestValidateChecksEveryLeaf: the first bad leaf of a large tree is named,
// wherever it stands.
// RFC 9420 §12.4.3.1 R9
func TestValidateChecksEveryLeaf(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 11)
	for range 130 {
		leaf, _, _ := w.client()
		if _, err := w.tree.Add(leaf); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.tree.Validate(w.rules()); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []uint32{0, 31, 64, 130} {
		tr := w.tree.Clone()
		for _, i := range []uint32{bad, 130} {
			leaf := *tr.Leaf(i)
			leaf.Signature = make([]byte, 64)
			tr.nodes[NodeOf(i)] = &node{leaf: &leaf}
		}
		err := tr.Validate(w.rules())
		if !errors.Is(err, suite.ErrSignature) || !strings.Contains(err.Error(), fmt.Sprintf("leaf %d:", bad)) {
			t.Errorf("bad leaf %d: %v", bad, err)
		}
	}
}

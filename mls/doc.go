// Package mls is Messaging Layer Security (RFC 9420) for hostile input: groups
// of clients that share keys which a server between them does not have, which
// change with every commit, and which a removed member does not get. It needs
// the standard library alone and nothing else of Primum. It is not audited.
//
// # The life of a group
//
// A client makes a key package ([NewKeyPackage]) and publishes it; the private
// half stays with it. Somebody starts a group ([Create]) and adds the client by
// a commit: [Group.Commit] gives a commit for the members there are and a
// Welcome for who was added. When the commit has been accepted by whoever
// orders the group's messages, its author calls [Group.Merge], everybody else
// [Group.Process], and the new member [Join].
//
// Messages are sealed by [Group.Seal] and opened by [Group.Process], which
// takes in every message of the group and says what it was ([Received]).
//
// Every commit starts an epoch with keys of its own. A commit without options
// renews the keys of its author, and with them the secrets of the group, so
// that a thief of older secrets is locked out. A member that does not commit
// itself asks for the same by [Group.ProposeUpdate], and the next commit of
// another takes the proposal in.
//
// # What the caller does
//
// The package reads and writes no file and no network, starts no goroutine
// that outlives a call, and keeps no global state. The caller:
//
//   - delivers messages, and sees to it that of several commits of one epoch
//     all members take the same: a server that appends in order is enough. Who
//     lost the race calls [Group.Discard], processes the winner and tries anew.
//   - persists: the state ([Group.MarshalBinary]) after a call is on disk
//     before the message that the call made is sent, and before the plaintext
//     that it gave is shown. Otherwise a crash may use a key twice, or open a
//     message twice. [Group.Reserve] lets a sender persist once for many
//     messages. The state holds secrets: the caller protects the file, and
//     overwrites the old one.
//   - decides who may do what. Members are equal in MLS: any of them can add
//     and remove others. [Config.Authorize] is asked about every commit, when
//     everything else about it has been verified, and can refuse it; so is
//     [Config.AuthorizeProposal] about proposals.
//   - decides who somebody is. Credentials are of type basic, a name that a
//     member claims. Config.Authorize compares [Member].SignatureKey with what
//     the application knows of that name.
//   - never restores a backup of a group's state: its keys have been used.
//
// # Rules that hold for every call
//
// A call that fails leaves the state as it was, byte for byte. No input makes
// a call panic, run away or allocate out of proportion to the input. Errors
// are told apart by [errors.Is] and the Err variables; they hold numbers and
// no bytes of keys or messages. Nothing is logged. A [Group] is for one
// goroutine at a time; different groups may run in parallel.
//
// Secrets are erased by the deletion schedule of RFC 9420 §9.2: after a message
// was opened, its key is gone; after a commit, so are the keys of the epoch
// before, unless [Config].PastEpochs keeps some for late messages. What
// MarshalBinary writes never holds a consumed secret, and its size does not
// grow with epochs or messages. In memory the package overwrites the secrets
// that it holds, and none of them can be reached any more once it is consumed.
// Copies that the runtime and the standard library made are out of its reach:
// dead slots of stacks, saved registers, freed AES key schedules and HPKE
// contexts, swapped pages. A core dump may show some until the runtime uses
// that memory again; docs/spec/mls-threat-model.md says what was measured.
//
// # Limits
//
// [Config].MaxJump bounds how many generations a message may skip,
// [Config].Window how many skipped keys are kept per sender, and
// [Config].MaxProposals how many proposals of a member. Who carries the
// messages bounds their size: the work and memory of a call grow with the bytes
// that it is given.
//
// # What is off, and what is not there
//
// Off unless [Config] switches it on: external commits, proposals of external
// senders, pre-shared keys, reinitialisation, branching, and a member's change
// of credential or signature key. These are verified and processed as RFC 9420
// says; this package does not make them: there is no call that sends an
// external commit, a PreSharedKey or a ReInit proposal.
//
// Not there: X.509 credentials, handshakes as PrivateMessage on the sending
// side (they are opened), and cipher suites other than those of [Suites].
// docs/spec/mls-profile.md goes through the RFC section by section.
//
// # Following a group without keys
//
// A [PublicGroup] follows the handshakes of a group and holds no secret. A
// server knows by it who is a member in which epoch, and refuses commits that
// members would refuse. It can't check what needs the group's secrets: the
// membership tag and the confirmation tag. Members of a group that is followed
// set [Config].PublicHandshakes, so that no handshake goes past the tracker.
//
// # Cipher suites
//
// [X25519AES128GCMSHA256Ed25519] is the one that every implementation has.
// [MLKEM768X25519AES128GCMSHA256Ed25519] adds ML-KEM-768, so that what is
// sealed today stays sealed from a quantum computer of tomorrow; a public key
// has 1,216 bytes instead of 32 in it, and what a key is sealed to in a commit
// or Welcome grows by 1,088. All members of a group use one suite, which can't
// be changed later.
//
// # Signature keys
//
// [Config].Signer is a [crypto.Signer] with an Ed25519 public key. It is asked
// for signatures and for its public key, never for more, so the key may rest in
// hardware or in another process. It signs messages, not hashes
// (opts.HashFunc() is 0).
//
// # In texts
//
// Group, KeyPackagePrivate, PublicGroup, Config, KeyPackageOptions and Received
// print no secret under any verb of fmt, in slog, JSON or XML. fmt has one way
// around that: where a verb is wrong for a value (%w outside of fmt.Errorf,
// which go vet reports) or a value lies in an unexported field of another
// struct, it asks no method and prints exported fields. Of a Config or
// KeyPackageOptions that is the Signer, where it is a bare ed25519.PrivateKey,
// and of a Received the data. So keep these behind a pointer.
package mls

package relay

import (
	"errors"
	"time"

	"primum/mls"
)

// Tracker is a view of one group that follows its handshakes without keys. It
// is immutable.
type Tracker interface {
	// Stage verifies a handshake (PublicMessage) and returns the view after it.
	Stage(message []byte) (Tracker, *mls.Received, error)
	Members() []mls.Member
	GroupID() []byte
	Epoch() uint64
	// ConfirmedTranscriptHash is over all commits up to the view's epoch
	// (RFC 9420 §8.2).
	ConfirmedTranscriptHash() []byte
	Keeper
}

// Keeper is what is kept and compared of a tracker.
type Keeper interface {
	TreeHash() []byte
	MarshalBinary() ([]byte, error)
}

// Trackers makes trackers.
type Trackers interface {
	// New also tells the leaf that signed the GroupInfo.
	New(groupInfo []byte) (t Tracker, signer uint32, err error)
	Load(kept []byte) (Tracker, error)
}

// publicGroups makes trackers of RFC 9420 groups. Everything that brings
// somebody in from outside is switched off, as it is in mls by default.
type publicGroups struct{ now func() time.Time }

func (p publicGroups) config() mls.Config { return mls.Config{Now: p.now} }

func (p publicGroups) New(groupInfo []byte) (Tracker, uint32, error) {
	g, err := mls.NewPublicGroup(p.config(), groupInfo)
	if err != nil {
		return nil, 0, err
	}
	signer, signed := g.Signer()
	if !signed {
		return nil, 0, errors.New("tracker tells no signer")
	}
	return publicGroup{g}, signer, nil
}

func (p publicGroups) Load(kept []byte) (Tracker, error) {
	g, err := mls.LoadPublicGroup(p.config(), kept)
	if err != nil {
		return nil, err
	}
	return publicGroup{g}, nil
}

type publicGroup struct{ *mls.PublicGroup }

func (g publicGroup) Stage(message []byte) (Tracker, *mls.Received, error) {
	next, received, err := g.PublicGroup.Stage(message)
	if err != nil {
		return nil, nil, err
	}
	if next == nil || received == nil {
		return nil, nil, errors.New("tracker returned no view")
	}
	return publicGroup{next}, received, nil
}

package operator

import (
	"strconv"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
)

// However many strangers begin to log in, an operator who began before can go
// on; each ceremony ends once, in time, and as it was begun.
func TestStrangersDoNotEndACeremony(t *testing.T) {
	t.Parallel()
	all, err := newTries()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	begin := func(challenge string) string {
		sealed, err := all.seal(try{Data: webauthn.SessionData{Challenge: challenge}, Ticket: []byte("t"), Until: now.Add(tryLasts)})
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	mine := begin("mine")
	for i := range 2000 {
		begin(strconv.Itoa(i))
	}
	one, ok := all.open(mine, now.Add(tryLasts-1))
	if !ok || one.Data.Challenge != "mine" || string(one.Ticket) != "t" {
		t.Fatalf("forgotten: %+v", one)
	}
	if !all.use(one, now) || all.use(one, now) {
		t.Error("it does not end once")
	}
	changed := []byte(begin("other"))
	changed[20] ^= 1
	for name, sealed := range map[string]string{"changed": string(changed), "none": "", "no base64": "%", "short": "AAAA"} {
		if _, ok := all.open(sealed, now); ok {
			t.Errorf("opened: %s", name)
		}
	}
	if _, ok := all.open(mine, now.Add(tryLasts)); ok {
		t.Error("opened too late")
	}
	if len(mine) > 3000 {
		t.Errorf("a cookie of %d bytes", len(mine))
	}
}

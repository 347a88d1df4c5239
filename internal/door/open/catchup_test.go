package opendoor_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestMissedValuesComeInTheOrderOfTheirTimes follows two properties: who is cut
// off in between goes on from the last id, and has all before it.
func TestMissedValuesComeInTheOrderOfTheirTimes(t *testing.T) {
	t.Parallel()
	d := newDesk(t).filled()
	for i := range 6 {
		property, value := "pm10", fmt.Sprint(i)
		if i%2 == 1 {
			property, value = "state", fmt.Sprintf(`"%d"`, i)
		}
		d.feed(property, value, start().Add(time.Duration(i-6)*time.Second))
	}
	s := httptest.NewServer(d.mux)
	defer s.Close()
	next, _ := follow(t, s.URL+"/open/air/square/observe", start().Add(-time.Hour).Format(time.RFC3339))
	var got []string
	for range 6 {
		_, data := next()
		got = append(got, data)
	}
	if strings.Join(got, " ") != `{"pm10":0} {"state":"1"} {"pm10":2} {"state":"3"} {"pm10":4} {"state":"5"}` {
		t.Errorf("missed: %v", got)
	}
	d.door.Stop()
}

package meter

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"time"

	"primum/internal/store"
)

// Event is a sum as a CloudEvent (CloudEvents 1.0, JSON format). ID is the same
// whenever the same sum is exported: who bills takes each once.
type Event struct {
	SpecVersion string    `json:"specversion"` // "1.0"
	ID          string    `json:"id"`
	Source      string    `json:"source"` // URL of the node
	Type        string    `json:"type"`
	Subject     string    `json:"subject"` // domain of the organisation
	Time        time.Time `json:"time"`    // end of the hour
	ContentType string    `json:"datacontenttype"`
	Data        EventData `json:"data"`
}

// EventData is what was used.
type EventData struct {
	Meter string    `json:"meter"`
	Unit  string    `json:"unit"`
	N     uint64    `json:"n"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

// EventType is the type of all events of this package.
const EventType = "primum.usage.hour.v1"

// EventOf makes the event of a sum at the node of a base URL.
func EventOf(base string, s store.Usage) Event {
	from := s.Hour.UTC()
	to := from.Add(time.Hour)
	return Event{
		SpecVersion: "1.0", ID: fmt.Sprintf("%s/%s/%s", from.Format("2006-01-02T15"), url.PathEscape(s.Domain), s.Meter),
		Source: base, Type: EventType, Subject: s.Domain, Time: to, ContentType: "application/json",
		Data: EventData{Meter: s.Meter, Unit: Unit(s.Meter), N: s.N, From: from, To: to},
	}
}

// WriteEvents writes sums one event a line.
func WriteEvents(w io.Writer, base string, sums []store.Usage) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, s := range sums {
		if err := enc.Encode(EventOf(base, s)); err != nil {
			return fmt.Errorf("write usage: %w", err)
		}
	}
	return nil
}

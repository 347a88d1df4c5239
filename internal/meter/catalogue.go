package meter

import "primum/internal/wire"

// Languages gives the words of the catalogue in one language; see Catalogue.
type Languages map[string]func(id string) string

// Catalogue is all that is counted, with the quotas in force, as it is published
// and logged. Nothing has a price here. Words are asked for by "meter.ID.title"
// and "meter.ID.body".
func Catalogue(quotas map[string]uint64, words Languages) wire.MeterCatalogue {
	c := wire.MeterCatalogue{V: 1, Per: "hour", Of: "organisation-domain", Never: []string{"persons", "rights"}}
	for _, m := range All() {
		texts := map[string]wire.Text{}
		for lang, get := range words {
			texts[lang] = wire.Text{Title: get("meter." + m.id + ".title"), Body: get("meter." + m.id + ".body")}
		}
		c.Meters = append(c.Meters, wire.Meter{ID: m.id, Unit: Unit(m.id), Quota: quotas[m.id], Texts: texts})
	}
	return c
}

// Unit is what a meter's sum is a number of; empty for an unknown one.
func Unit(meter string) string {
	switch meter {
	case Requests().id:
		return "request"
	case Delivered().id, Accepted().id:
		return "message"
	case DeliveredBytes().id:
		return "byte"
	}
	return ""
}

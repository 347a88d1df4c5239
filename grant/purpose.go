package grant

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// purposes are the purpose classes of W3C DPV 2.3: a class and its parents per
// line; a class without parents stands directly under dpv:Purpose.
//
//go:embed purposes.txt
var purposes string

const dpv = "dpv:"

// parents of a class (without dpv:); ok tells whether it is a purpose.
func parents(class string) (names []string, ok bool) {
	for line := range strings.Lines(purposes) {
		fields := strings.Fields(line)
		if len(fields) > 0 && fields[0] == class {
			return fields[1:], true
		}
	}
	return nil, false
}

// IsPurpose tells whether class (dpv:…) is a purpose of DPV 2.3.
func IsPurpose(class string) bool {
	name, ok := strings.CutPrefix(class, dpv)
	if !ok {
		return false
	}
	_, ok = parents(name)
	return ok
}

// IsA tells whether class is ancestor or stands under it; both as dpv:….
func IsA(class, ancestor string) bool {
	return IsPurpose(ancestor) && slices.Contains(upwards(class), ancestor)
}

// TopPurpose is the class directly under dpv:Purpose that class stands under;
// where there are several, the first by name. "" for what is no purpose.
func TopPurpose(class string) string {
	var tops []string
	for _, c := range upwards(class) {
		ps, _ := parents(strings.TrimPrefix(c, dpv))
		known := slices.ContainsFunc(ps, func(p string) bool { return IsPurpose(dpv + p) })
		if !known {
			tops = append(tops, c)
		}
	}
	if len(tops) == 0 {
		return ""
	}
	return slices.Min(tops)
}

// upwards is class and everything above it, each once.
func upwards(class string) []string {
	if !IsPurpose(class) {
		return nil
	}
	all := []string{class}
	for i := 0; i < len(all); i++ {
		ps, _ := parents(strings.TrimPrefix(all[i], dpv))
		for _, p := range ps {
			if !slices.Contains(all, dpv+p) && IsPurpose(dpv+p) {
				all = append(all, dpv+p)
			}
		}
	}
	return all
}

// CommonPurposes are the plain words that FindPurpose knows, for help texts.
func CommonPurposes() []string {
	var names []string
	for _, c := range commonPurposes() {
		names = append(names, c[0])
	}
	return names
}

func commonPurposes() [][2]string {
	return [][2]string{
		{"sharing with a friend", "NonCommercialPurpose"},
		{"energy advice", "OptimisationForConsumer"},
		{"water advice", "OptimisationForConsumer"},
		{"saving energy", "OptimisationForConsumer"},
		{"care", "RequestedServiceProvision"},
		{"repair", "RepairImpairments"},
		{"maintenance", "TechnicalServiceProvision"},
		{"monitoring", "ServiceMonitoring"},
		{"billing", "PaymentManagement"},
		{"delivery", "DeliveryOfGoods"},
		{"security", "EnforceSecurity"},
		{"research", "ScientificResearch"},
		{"statistics", "ProvideOfficialStatistics"},
		{"climate", "CombatClimateChange"},
		{"health", "ImproveHealthcare"},
		{"traffic", "ImproveTransportMobility"},
		{"service", "RequestedServiceProvision"},
		{"home automation", "RequestedServiceProvision"},
	}
}

// FindPurpose turns plain words ("energy advice") or a class name
// ("OptimisationForConsumer", with or without dpv:) into a purpose.
func FindPurpose(words string) (Purpose, error) {
	words = strings.Join(strings.Fields(words), " ")
	for _, c := range commonPurposes() {
		if strings.EqualFold(words, c[0]) {
			return Purpose{Class: dpv + c[1], Label: c[0]}, nil
		}
	}
	for line := range strings.Lines(purposes) {
		name := strings.Fields(line)[0]
		if strings.EqualFold(strings.TrimPrefix(words, dpv), name) {
			return Purpose{Class: dpv + name, Label: plain(name)}, nil
		}
	}
	return Purpose{}, fmt.Errorf("%q is no purpose that is known here; one of: %s; or a class of W3C DPV 2.3",
		clip(words), strings.Join(CommonPurposes(), ", "))
}

// plain writes a class name as words.
func plain(class string) string {
	var b strings.Builder
	for i, r := range strings.TrimPrefix(class, dpv) {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

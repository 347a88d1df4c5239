package network

import (
	"context"
	"errors"

	"primum/oath"
)

// Probes are the probes that need nothing but a network, by the names
// that clause files use.
func Probes() map[string]oath.Probe {
	return map[string]oath.Probe{
		"look-up-name":       lookUpName,
		"open-front-page":    openFrontPage,
		"read-entrance":      readEntrance,
		"read-notice":        readNotice,
		"read-public-things": readPublicThings,
		"open-tls":           openTLS,
		"open-plain":         openPlain,
		"read-security-txt":  readSecurityTxt,
		"knock-plain-mqtt":   knockMQTT,
		"knock-plain-coap":   knockCoAP,
		"read-support-end":   readSupportEnd,
		"read-harm-contacts": readHarmContacts,
		"verify-ledger":      verifyLedger,
		"compare-documents":  compareDocuments,
		"read-oath":          readOath,
		"look-at-witnesses":  lookAtWitnesses,
	}
}

const (
	maxShown = 160     // bytes of a stranger's word in a sentence
	maxSaid  = 300     // bytes of a sentence with a stranger's words
	maxPage  = 1 << 20 // bytes of a page's text
)

// stop keeps only errors after which a probe can't go on: the end of its time
// or its budget. What one answer was like is not among them.
func stop(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil && !isBudget(err) {
		return nil
	}
	return err
}

func isBudget(err error) bool { return errors.Is(err, oath.ErrBudget) }

func isRedirect(status int) bool {
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308
}

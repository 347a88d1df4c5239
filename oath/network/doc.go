// Package network holds the probes of the oath's checks that need nothing but a
// network: names, pages, doors, notices, rules and ledgers. They work on any
// domain.
//
// Sources: RFC 9116 (security.txt), 6797 (HSTS), 6903 (privacy-policy), 9264
// (link sets), W3C WoT Discovery, MQTT 3.1.1, RFC 7252 (CoAP).
package network

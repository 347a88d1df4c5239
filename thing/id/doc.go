// Package id reads, checks and converts the names that things have already: DNS, GS1, EPC, EUI, IP, UUID, did:web (L9).
package id

// Package id reads, checks and converts the names that things have already:
// DNS, GS1, EPC, EUI, IP, UUID, did:web (L9). It asks no network and keeps no
// state; every function may be called concurrently.
package id

//go:generate go run -C ../../tools ./aitable -out ../thing/id/ais.go

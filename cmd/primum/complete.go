package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"primum/circle"
	"primum/client"
	"primum/client/vault"
)

// Completion of what the identity has reads local state only; it asks no node
// and, when another process holds the keys, offers nothing. What nodes publish
// is in completenode.go.

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

func fixed(words ...string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) completeAddresses(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	all, err := vault.List(a.home)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// peek opens the keys at once or not at all: a person waits for the Tab key.
func (a *app) peek() (*vault.Vault, error) {
	address, err := a.address()
	if err != nil {
		return nil, err
	}
	if home, ok := a.localHome(address); ok && !vault.Has(a.home, address) {
		a.home = home // of a running `primum local`
	}
	return vault.Open(a.home, address, "completion")
}

// fromState offers what pick finds in the state of the identity.
func (a *app) fromState(prefix string, pick func(*circle.Owner) []string) ([]string, cobra.ShellCompDirective) {
	v, err := a.peek()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer func() { _ = v.Close() }()
	dir, err := v.StateDir()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	o, err := circle.OpenOwner(filepath.Join(dir, client.CirclesDir), circle.MemberOptions{
		Clock: a.clock, Signer: v.ClientKey(), Identity: v.Document(),
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer func() { _ = o.Close() }()
	var fits []string
	for _, s := range pick(o) {
		if strings.HasPrefix(s, prefix) {
			fits = append(fits, s)
		}
	}
	return fits, cobra.ShellCompDirectiveNoFileComp
}

func ownPaths(o *circle.Owner) (paths []string) {
	for _, t := range client.TargetsOf(o, "") {
		if t.Own {
			paths = append(paths, t.Path)
		}
	}
	return paths
}

func allPaths(o *circle.Owner) (paths []string) {
	for _, t := range client.TargetsOf(o, "") {
		if t.Grant == nil || !t.Grant.State.Terminal() {
			paths = append(paths, t.Path)
		}
	}
	return paths
}

func (a *app) completeThings(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.fromState(prefix, ownPaths)
}

func (a *app) completeWatch(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.fromState(prefix, allPaths)
}

func (a *app) completeShare(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.fromState(prefix, ownPaths)
	case 1:
		return a.completePeople(cmd, nil, prefix)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeGiven(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.fromState(prefix, func(o *circle.Owner) (names []string) {
		for _, g := range o.Given() {
			if !g.State.Terminal() {
				names = append(names, strings.Split(sharedText(g), ", ")...)
				names = append(names, g.ID)
			}
		}
		return names
	})
}

func (a *app) completeRequests(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.fromState(prefix, func(o *circle.Owner) (ids []string) {
		for _, r := range o.Requests() {
			ids = append(ids, r.ID+"\t"+r.From)
		}
		return ids
	})
}

func (a *app) completePeople(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	v, err := a.peek()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer func() { _ = v.Close() }()
	dir, err := v.StateDir()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	d, err := client.OpenDirectory(filepath.Join(dir, client.PeopleFile), client.Calls{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var fits []string
	for _, account := range d.Accounts() {
		if strings.HasPrefix(account, prefix) {
			fits = append(fits, account)
		}
	}
	return fits, cobra.ShellCompDirectiveNoFileComp
}

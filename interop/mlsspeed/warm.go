package main

import (
	"errors"
	"fmt"

	"primum/internal/mlsbench"
	"primum/mls"
)

// warmSides are both implementations in groups that ours has made: every member
// joined alone and committed at once, so that all parents are filled. The last
// two to come are of the side that is measured, the last of them commits.
func warmSides() []mlsbench.Side {
	made := &nursery{groups: map[int]mlsbench.Group{}, states: map[int][]byte{}}
	return []mlsbench.Side{warm{mlsbench.Ours{}, made}, warm{peer{}, made}}
}

// warm is a side that starts from a warm group.
type warm struct {
	mlsbench.Side
	made *nursery
}

// Populate makes a group of n, at least 4, members.
func (s warm) Populate(suite mls.Suite, n int) (committer, member mlsbench.Group, err error) {
	if n < 4 {
		return nil, nil, errors.New("a warm group has at least four leaves")
	}
	host, err := s.made.group(suite, n-2)
	if err != nil {
		return nil, nil, err
	}
	if member, err = enter(s.Side, suite, host, "member", nil); err != nil {
		return nil, nil, err
	}
	committer, err = enter(s.Side, suite, host, "committer", member)
	return committer, member, err
}

// enter adds a client of a side, which commits at once; other, where there is
// one, follows.
func enter(side mlsbench.Side, suite mls.Suite, host mlsbench.Group, name string, other mlsbench.Group) (mlsbench.Group, error) {
	client, err := side.Invite(suite, name)
	if err != nil {
		return nil, err
	}
	added, welcome, err := host.Add([]mlsbench.Client{client})
	if err != nil {
		return nil, fmt.Errorf("add %s: %w", name, err)
	}
	g, err := client.Join(welcome)
	if err != nil {
		return nil, fmt.Errorf("join as %s: %w", name, err)
	}
	renewed, err := g.Update()
	if err != nil {
		return nil, fmt.Errorf("commit as %s: %w", name, err)
	}
	if err := host.Process(renewed); err != nil || other == nil {
		return g, err
	}
	return g, errors.Join(other.Process(added), other.Process(renewed))
}

// nursery makes warm groups with ours and keeps one of each size.
type nursery struct {
	groups map[int]mlsbench.Group
	states map[int][]byte
}

// group is the creator of a warm group of n, as it was when it was made.
func (m *nursery) group(suite mls.Suite, n int) (mlsbench.Group, error) {
	if g, there := m.groups[n]; there {
		return g, g.Load(m.states[n])
	}
	g, err := (mlsbench.Ours{}).Create(suite)
	if err != nil {
		return nil, err
	}
	for i := range n - 1 {
		if _, err := enter(mlsbench.Ours{}, suite, g, fmt.Sprintf("client-%d", i), nil); err != nil {
			return nil, err
		}
	}
	m.groups[n] = g
	m.states[n], err = g.Save()
	return g, err
}

package local

import (
	"context"
	"fmt"

	"primum/circle"
	"primum/client"
	"primum/internal/clock"
	"primum/internal/edge"
	"primum/internal/edge/simulated"
)

// house is the edge with its simulated devices.
type house struct {
	edge   *edge.Edge
	cancel context.CancelFunc
	ended  chan error
}

func startHouse(dir string, transport client.Transport) (*house, error) {
	calls := client.Calls{Transport: transport, Clock: clock.Real()}
	e, err := edge.Open(edge.Config{
		Dir: dir, Listen: "127.0.0.1:0", Zigbee2MQTT: edge.Off, HomeAssistant: edge.Off,
		Simulated: simulated.New(clock.Real(), 0, 1),
		Drive: func(ctx context.Context, a *circle.Anchor, take func(circle.Event) error) error {
			return client.RunAnchor(ctx, a, client.AnchorOptions{Calls: calls, Take: take})
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the edge: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &house{edge: e, cancel: cancel, ended: make(chan error, 1)}
	go func() { h.ended <- e.Run(ctx) }()
	select {
	case <-e.Ready():
		return h, nil
	case err := <-h.ended:
		cancel()
		_ = e.Close()
		return nil, fmt.Errorf("run the edge: %w", err)
	}
}

func (h *house) stop() error {
	h.cancel()
	<-h.ended
	return h.edge.Close()
}

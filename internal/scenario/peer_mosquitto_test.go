package scenario

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"primum/internal/edge/mqtt/mosquittotest"
)

// pairs and window are the load of the relay benchmark: so many senders with
// one receiver each, so many messages on the way per sender.
const (
	pairs       = 64
	window      = 20
	payloadSize = 256
)

// mosquittoRate is how many messages per second mosquitto delivers at QoS 1,
// in memory, under the same load from a Go client.
func mosquittoRate(b *testing.B, messages int) float64 {
	broker := mosquittotest.Start(b, mosquittotest.Options{Lines: []string{
		"max_inflight_messages 0", "max_queued_messages 0", "set_tcp_nodelay true",
	}})
	var delivered atomic.Int64
	all := make(chan struct{})
	total := int64(pairs * messages)
	senders := make([]*paho.Client, pairs)
	for i := range pairs {
		topic := fmt.Sprintf("pair/%d", i)
		receiver := connectPaho(b, broker.Port, fmt.Sprintf("r%d", i), func() {
			if delivered.Add(1) == total {
				close(all)
			}
		})
		_, err := receiver.Subscribe(b.Context(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: topic, QoS: 1}}})
		if err != nil {
			b.Fatal(err)
		}
		senders[i] = connectPaho(b, broker.Port, fmt.Sprintf("s%d", i), nil)
	}
	start := time.Now()
	var group sync.WaitGroup
	for i, sender := range senders {
		for w := range window {
			group.Go(func() { publish(b, sender, fmt.Sprintf("pair/%d", i), share(messages, window, w)) })
		}
	}
	group.Wait()
	<-all
	return float64(total) / time.Since(start).Seconds()
}

// share splits n among so many; the first take the rest.
func share(n, among, i int) int {
	if i < n%among {
		return n/among + 1
	}
	return n / among
}

func publish(b *testing.B, c *paho.Client, topic string, n int) {
	payload := make([]byte, payloadSize)
	for range n {
		if _, err := c.Publish(b.Context(), &paho.Publish{Topic: topic, QoS: 1, Payload: payload}); err != nil {
			b.Error(err)
			return
		}
	}
}

func connectPaho(b *testing.B, port int, id string, received func()) *paho.Client {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		b.Fatal(err)
	}
	config := paho.ClientConfig{Conn: conn}
	if received != nil {
		config.OnPublishReceived = []func(paho.PublishReceived) (bool, error){
			func(paho.PublishReceived) (bool, error) { received(); return true, nil },
		}
	}
	c := paho.NewClient(config)
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Connect(ctx, &paho.Connect{ClientID: id, KeepAlive: 60, CleanStart: true}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Disconnect(&paho.Disconnect{}) })
	return c
}

package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	paho3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// session4 is MQTT 3.1.1, for brokers from before 2018 and some appliances.
type session4 struct {
	client paho3.Client
	gone   chan struct{}
	once   *sync.Once
}

func connect4(ctx context.Context, o Options, deliver func(Message)) (session, error) {
	s := &session4{gone: make(chan struct{}), once: &sync.Once{}}
	user, password := credentials(o)
	c := paho3.NewClientOptions().
		AddBroker("tcp://broker"). // the dialer below knows where it is
		SetProtocolVersion(4).
		SetClientID(clientID(o)).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true).
		SetKeepAlive(keepAlive * time.Second).
		SetWriteTimeout(patience).
		SetUsername(user).
		SetPassword(password).
		SetConnectionLostHandler(func(paho3.Client, error) { s.lost() }).
		SetCustomOpenConnectionFn(func(*url.URL, paho3.ClientOptions) (net.Conn, error) { return dial(ctx, o) }).
		SetDefaultPublishHandler(func(_ paho3.Client, m paho3.Message) {
			if len(m.Payload()) <= maxPacket {
				deliver(Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained()})
			}
		})
	s.client = paho3.NewClient(c)
	if err := wait(ctx, s.client.Connect()); err != nil {
		s.client.Disconnect(0)
		if errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) || errors.Is(err, packets.ErrorRefusedNotAuthorised) {
			return nil, refused{"the broker refuses this user and password"}
		}
		return nil, fmt.Errorf("connect by MQTT 3.1.1: %w", err)
	}
	return s, nil
}

func wait(ctx context.Context, t paho3.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session4) lost() { s.once.Do(func() { close(s.gone) }) }

func (s *session4) subscribe(ctx context.Context, filters []string) error {
	all := make(map[string]byte, len(filters))
	for _, f := range filters {
		all[f] = 1
	}
	return wait(ctx, s.client.SubscribeMultiple(all, nil))
}

func (s *session4) unsubscribe(ctx context.Context, filters []string) error {
	return wait(ctx, s.client.Unsubscribe(filters...))
}

func (s *session4) publish(ctx context.Context, topic string, payload []byte, retain bool) error {
	return wait(ctx, s.client.Publish(topic, 1, retain, payload))
}

func (s *session4) done() <-chan struct{} { return s.gone }

func (s *session4) close() {
	s.client.Disconnect(0)
	s.lost()
}

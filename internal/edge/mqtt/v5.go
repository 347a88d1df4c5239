package mqtt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

type session5 struct {
	client *paho.Client
}

func connect5(ctx context.Context, o Options, deliver func(Message)) (session, error) {
	conn, err := dial(ctx, o)
	if err != nil {
		return nil, err
	}
	client := paho.NewClient(paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(p paho.PublishReceived) (bool, error) {
				deliver(Message{Topic: p.Packet.Topic, Payload: p.Packet.Payload, Retained: p.Packet.Retain})
				return true, nil
			},
		},
		PacketTimeout: patience,
	})
	ack, err := client.Connect(ctx, connectPacket(o))
	if err != nil {
		_ = conn.Close()
		return nil, connectError(ctx, ack, err)
	}
	return &session5{client}, nil
}

func connectPacket(o Options) *paho.Connect {
	maximum, receive := uint32(maxPacket), uint16(inFlight)
	user, password := credentials(o)
	return &paho.Connect{
		ClientID:     clientID(o),
		CleanStart:   true,
		KeepAlive:    keepAlive,
		Username:     user,
		UsernameFlag: user != "",
		Password:     []byte(password),
		PasswordFlag: password != "",
		Properties:   &paho.ConnectProperties{MaximumPacketSize: &maximum, ReceiveMaximum: &receive},
	}
}

func clientID(o Options) string {
	if o.ClientID != "" {
		return o.ClientID
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "primum-" + hex.EncodeToString(b[:])
}

// connectError tells a refusal in words, and a broker of an older MQTT apart:
// that one answers with reason 0x84, with a CONNACK that has no properties, or
// by closing the connection.
func connectError(ctx context.Context, ack *paho.Connack, err error) error {
	if ack == nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w (%v)", errVersion, err)
	}
	switch ack.ReasonCode {
	case packets.ConnackUnsupportedProtocolVersion, 0x01: // 0x01 is how 3.1.1 says it
		return errVersion
	case packets.ConnackBadUsernameOrPassword, packets.ConnackNotAuthorized:
		return refused{"the broker refuses this user and password"}
	case packets.ConnackServerBusy, packets.ConnackServerUnavailable:
		return refused{"the broker says that it is busy"}
	}
	return refused{fmt.Sprintf("the broker refuses the connection (reason 0x%02x)", ack.ReasonCode)}
}

func (s *session5) subscribe(ctx context.Context, filters []string) error {
	p := &paho.Subscribe{}
	for _, f := range filters {
		p.Subscriptions = append(p.Subscriptions, paho.SubscribeOptions{Topic: f, QoS: 1})
	}
	ack, err := s.client.Subscribe(ctx, p)
	if err != nil && ack == nil {
		return err
	}
	for i, reason := range ack.Reasons {
		if reason >= 0x80 && i < len(filters) {
			return refused{fmt.Sprintf("the broker refuses the subscription to %s (reason 0x%02x)", filters[i], reason)}
		}
	}
	return err
}

func (s *session5) unsubscribe(ctx context.Context, filters []string) error {
	_, err := s.client.Unsubscribe(ctx, &paho.Unsubscribe{Topics: filters})
	return err
}

func (s *session5) publish(ctx context.Context, topic string, payload []byte, retain bool) error {
	answer, err := s.client.Publish(ctx, &paho.Publish{Topic: topic, Payload: payload, QoS: 1, Retain: retain})
	switch {
	case answer != nil && answer.ReasonCode >= 0x80:
		return refused{fmt.Sprintf("the broker refuses it (reason 0x%02x)", answer.ReasonCode)}
	case errors.Is(err, io.ErrClosedPipe):
		return ErrOffline
	}
	return err
}

func (s *session5) done() <-chan struct{} { return s.client.Done() }

func (s *session5) close() {
	select {
	case <-s.client.Done():
	default:
		_ = s.client.Disconnect(&paho.Disconnect{})
		<-s.client.Done()
	}
}

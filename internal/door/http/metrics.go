package httpdoor

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"primum/internal/wire"
)

// metrics are the few numbers that an operator watches. No label names a
// person, a circle or a domain.
type metrics struct {
	requests  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	appended  prometheus.Counter
	delivered prometheus.Counter
	slow      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, sockets func() float64) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "primum_requests_total", Help: "Requests by operation and class of status.",
		}, []string{"operation", "class"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "primum_refusals_total", Help: "Refusals by problem, of requests and socket frames.",
		}, []string{"problem"}),
		appended:  counter("primum_messages_appended_total", "Sealed messages appended and durable."),
		delivered: counter("primum_messages_delivered_total", "Sealed messages handed to live sockets."),
		slow:      counter("primum_sockets_cut_total", "Live sockets ended because their reader was too slow."),
	}
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "primum_live_sockets", Help: "Live sockets open now.",
	}, sockets)
	for _, c := range []prometheus.Collector{m.requests, m.refusals, m.appended, m.delivered, m.slow, gauge} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (d *Door) metricsHandler() http.Handler {
	return promhttp.HandlerFor(d.cfg.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// counted notes how a request ended: in numbers, and for failures of the node
// itself in the log. The path, the address and the caller stay out of both:
// they name people.
func (d *Door) counted(rt route, status int, began time.Time, err error) {
	d.metrics.requests.WithLabelValues(rt.id, strconv.Itoa(status/100)+"xx").Inc()
	if err != nil {
		d.refused(d.explain(err), err)
	}
	d.cfg.Log.LogAttrs(d.ctx, slog.LevelDebug, "request", slog.String("operation", rt.id),
		slog.Int("status", status), slog.Duration("took", d.cfg.Clock.Now().Sub(began)))
}

// refused counts a refusal; what the node itself failed at is logged.
func (d *Door) refused(p *wire.Problem, err error) {
	name := strings.TrimPrefix(p.Type, wire.ProblemPrefix)
	if _, ours := kinds()[name]; !ours {
		name = "other"
	}
	d.metrics.refusals.WithLabelValues(name).Inc()
	if name == wire.ProbInternal || name == wire.ProbStorage {
		d.cfg.Log.Error("request failed", "problem", name, "error", causeOf(err))
	}
}

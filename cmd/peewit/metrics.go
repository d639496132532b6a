package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// collector turns the report into metrics, each time somebody asks.
type collector struct {
	report func(ctx context.Context) (statusRow, error)
}

var (
	descSeq      = prometheus.NewDesc("peewit_log_sequence", "Sequence of the newest record of the log.", nil, nil)
	descWritable = prometheus.NewDesc("peewit_log_writable", "1 when the log takes records.", nil, nil)
	descLag      = prometheus.NewDesc("peewit_consumer_lag_records", "Records between a consumer and the end of the log.", []string{"consumer"}, nil)
	descSessions = prometheus.NewDesc("peewit_xmpp_sessions", "Connected XMPP clients.", nil, nil)
	descLinkUp   = prometheus.NewDesc("peewit_link_up", "1 when the component link is connected.", []string{"address"}, nil)
	descLinkSent = prometheus.NewDesc("peewit_link_events_total", "Events sent over the component link.", []string{"address"}, nil)
	descFailing  = prometheus.NewDesc("peewit_feeds_failing", "Feeds whose last fetch failed.", nil, nil)
	descFeeds    = prometheus.NewDesc("peewit_feeds", "Feeds that are followed.", nil, nil)
	descOutbox   = prometheus.NewDesc("peewit_outbox_waiting", "Deliveries that wait.", []string{"kind", "lane"}, nil)
	descErasing  = prometheus.NewDesc("peewit_erase_waiting_records", "Records that wait to be erased.", nil, nil)
)

// Describe implements prometheus.Collector: what there is to collect is not
// known before the daemon serves.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // Collect has no context of its own
	defer cancel()
	row, err := c.report(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(descSeq, err)
		return
	}
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	gauge(descSeq, float64(row.Log.Seq))
	gauge(descWritable, truth(row.Log.Problem == ""))
	for _, consumer := range row.Consumers {
		if consumer.Name != "link" {
			gauge(descLag, float64(consumer.Lag), consumer.Name)
		}
	}
	gauge(descSessions, float64(row.Sessions))
	for _, link := range row.Links {
		gauge(descLinkUp, truth(link.Connected), link.Address)
		ch <- prometheus.MustNewConstMetric(descLinkSent, prometheus.CounterValue, float64(link.Sent), link.Address)
		gauge(descLag, float64(row.Log.Seq-min(link.Seq, row.Log.Seq)), "link "+link.Address)
	}
	failing := 0
	for _, feed := range row.Feeds {
		if feed.Error != "" {
			failing++
		}
	}
	gauge(descFeeds, float64(len(row.Feeds)))
	gauge(descFailing, float64(failing))
	for _, lane := range row.Outbox {
		gauge(descOutbox, float64(lane.Waiting), lane.Kind, lane.Lane)
	}
	gauge(descErasing, float64(row.Erasing))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metrics is the Prometheus page.
func metrics(report func(ctx context.Context) (statusRow, error)) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{report}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

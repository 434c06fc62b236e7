// A receiver of upgrade notifications to measure against: net/http, one goroutine that keeps what came
// in groups, and an answer after the group is on disk. What keeps them is linked in: sqlite.go or file.go.
//
// Usage: receiver DATA ADDRESS
//
// ADDRESS is a Unix socket, or HOST:PORT for TLS 1.3 with $BENCH_CERTIFICATE and $BENCH_KEY.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

const (
	maxBody  = 1 << 20
	maxGroup = 512 // bounds how long the first of a group waits for the last
)

// notification is what the store needs of a body. Pointers tell a missing member from an empty one.
type notification struct {
	NotifyType      *string `json:"notifyType"`
	DeviceID        *string `json:"deviceId"`
	OperationID     *string `json:"operationId"`
	AppID           string  `json:"appId"`
	SubOperationID  string  `json:"subOperationId"`
	SwUpgradeResult string  `json:"swUpgradeResult"`
	Status          string  `json:"status"`

	body       []byte
	receivedAt int64
	repeated   bool
	kept       chan error // told once the group is on disk
}

// state is that of the upgrade: a result, or what every other notification says of it.
func (n *notification) state() string {
	result := n.SwUpgradeResult
	if result == "" {
		result = n.Status
	}
	if result == "SUCCESS" || result == "FAIL" {
		return result
	}
	return "IN_PROGRESS"
}

// keeper puts a group on disk; all of it, or an error and nothing. It sets what was repeated.
type keeper interface {
	keep(group []*notification) error
	close() error
}

// write keeps what comes by the queue: all that waits while one group is synced is the next.
func write(queue <-chan *notification, store keeper) {
	group := make([]*notification, 0, maxGroup)
	for first := range queue {
		group = append(group[:0], first)
	gather:
		for len(group) < maxGroup {
			select {
			case next, open := <-queue:
				if !open {
					break gather
				}
				group = append(group, next)
			default:
				break gather
			}
		}
		err := store.keep(group)
		if err != nil {
			log.Print(err)
		}
		for _, n := range group {
			n.kept <- err
		}
	}
}

type receiver struct {
	queue chan<- *notification
}

var (
	stored   = []byte("{\"result\":\"stored\"}\n")
	repeated = []byte("{\"result\":\"repeated\"}\n")
)

func (r receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	n, err := read(w, request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.queue <- n
	if <-n.kept != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "cannot be kept", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if n.repeated {
		w.Write(repeated)
	} else {
		w.Write(stored)
	}
}

func read(w http.ResponseWriter, request *http.Request) (*notification, error) {
	n := &notification{receivedAt: time.Now().UnixMilli(), kept: make(chan error, 1)}
	var err error
	// io.ReadAll would grow its buffer from 512 bytes.
	if length := request.ContentLength; length >= 0 && length <= maxBody {
		n.body = make([]byte, length)
		_, err = io.ReadFull(request.Body, n.body)
	} else {
		n.body, err = io.ReadAll(http.MaxBytesReader(w, request.Body, maxBody))
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(n.body, n); err != nil {
		return nil, err
	}
	if n.NotifyType == nil || n.DeviceID == nil || n.OperationID == nil {
		return nil, errors.New("notifyType, deviceId or operationId is missing")
	}
	return n, nil
}

func listen(address string) (net.Listener, error) {
	if strings.HasPrefix(address, "/") {
		if err := os.Remove(address); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		listener, err := net.Listen("unix", address)
		if err != nil {
			return nil, err
		}
		return listener, os.Chmod(address, 0o666)
	}
	pair, err := tls.LoadX509KeyPair(os.Getenv("BENCH_CERTIFICATE"), os.Getenv("BENCH_KEY"))
	if err != nil {
		return nil, err
	}
	return tls.Listen("tcp", address, &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"http/1.1"},
	})
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: receiver DATA ADDRESS")
	}
	// What lives long is small: with the default the collector would run at every few hundred requests.
	debug.SetGCPercent(400)
	store, err := open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := listen(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	queue := make(chan *notification, maxGroup)
	written := make(chan struct{})
	go func() {
		write(queue, store)
		close(written)
	}()

	server := &http.Server{Handler: receiver{queue}, IdleTimeout: 2 * time.Minute}
	idle := make(chan struct{})
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ended.Done()
		limit, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		server.Shutdown(limit)
		close(idle)
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-idle
	stop()
	close(queue)
	<-written
	if err := store.close(); err != nil {
		log.Fatal(err)
	}
}

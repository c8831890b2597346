// nhooyr.io/websocket, since renamed to github.com/coder/websocket, in both of its modes.
//
//	nhooyr ws://ADDRESS/echo deflate|takeover
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"nhooyr.io/websocket"
)

const repeats = 10

type counting struct {
	net.Conn
	received, sent int64
}

func (c *counting) Read(data []byte) (int, error) {
	n, err := c.Conn.Read(data)
	atomic.AddInt64(&c.received, int64(n))
	return n, err
}

func (c *counting) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	atomic.AddInt64(&c.sent, int64(n))
	return n, err
}

// Its fast compressor stores what is judged here as it is, where there is nothing to refer to.
func judge(count int64, takeover bool, what string) {
	low, high := int64(40_000), int64(90_000)
	if takeover {
		low, high = 4000, 12_000
	}
	if count < low || count > high {
		log.Fatalf("nhooyr %s: %d bytes on the wire, takeover: %v", what, count, takeover)
	}
}

func noise(length int) []byte {
	data := make([]byte, length)
	if _, err := rand.Read(data); err != nil {
		log.Fatal(err)
	}
	return data
}

func main() {
	url, mode := os.Args[1], os.Args[2]
	try(url, mode == "takeover", websocket.CompressionContextTakeover)
	try(url, false, websocket.CompressionNoContextTakeover)
	fmt.Printf("ok      nhooyr, %s\n", mode)
}

func try(url string, takeover bool, mode websocket.CompressionMode) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var wire *counting
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := net.Dial(network, address)
		wire = &counting{Conn: connection}
		return wire, err
	}
	socket, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		CompressionMode: mode,
		HTTPClient:      &http.Client{Transport: &http.Transport{DialContext: dial}},
	})
	if err != nil {
		log.Fatal(err)
	}
	socket.SetReadLimit(2 << 20)
	if !strings.HasPrefix(response.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		log.Fatalf("nhooyr: no compression: %v", response.Header)
	}
	exchange := func(kind websocket.MessageType, data []byte) {
		if err := socket.Write(ctx, kind, data); err != nil {
			log.Fatal(err)
		}
		found, answer, err := socket.Read(ctx)
		if err != nil || found != kind || !bytes.Equal(answer, data) {
			log.Fatalf("nhooyr: %d bytes came back for %d: %v", len(answer), len(data), err)
		}
	}
	for _, text := range []string{"", "a", "below the threshold", strings.Repeat("Zażółć gęślą jaźń 😀 ", 5000), strings.Repeat("x", 1<<20)} {
		exchange(websocket.MessageText, []byte(text))
		exchange(websocket.MessageBinary, []byte(text))
	}
	exchange(websocket.MessageBinary, noise(100_000))
	received, sent := atomic.LoadInt64(&wire.received), atomic.LoadInt64(&wire.sent)
	text := []byte(hex.EncodeToString(noise(4096)))
	for count := 0; count < repeats; count++ {
		exchange(websocket.MessageText, text)
	}
	judge(atomic.LoadInt64(&wire.received)-received, takeover, "receives")
	judge(atomic.LoadInt64(&wire.sent)-sent, takeover, "sends")
	if err := socket.Close(websocket.StatusNormalClosure, ""); err != nil {
		log.Fatal(err)
	}
}

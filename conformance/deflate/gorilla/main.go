// gorilla/websocket, which has no context takeover.
//
//	gorilla ws://ADDRESS/echo deflate|takeover
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"github.com/gorilla/websocket"
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

func judge(count int64, what string) {
	if count < 40_000 || count > 60_000 {
		log.Fatalf("gorilla %s: %d bytes on the wire", what, count)
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
	var wire *counting
	dialer := websocket.Dialer{EnableCompression: true, NetDial: func(network, address string) (net.Conn, error) {
		connection, err := net.Dial(network, address)
		wire = &counting{Conn: connection}
		return wire, err
	}}
	socket, response, err := dialer.Dial(url, nil)
	if err != nil {
		log.Fatal(err)
	}
	if !strings.HasPrefix(response.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
		log.Fatalf("gorilla: no compression: %v", response.Header)
	}
	exchange := func(kind int, data []byte) {
		if err := socket.WriteMessage(kind, data); err != nil {
			log.Fatal(err)
		}
		found, answer, err := socket.ReadMessage()
		if err != nil || found != kind || !bytes.Equal(answer, data) {
			log.Fatalf("gorilla: %d bytes came back for %d: %v", len(answer), len(data), err)
		}
	}
	for _, text := range []string{"", "a", "below the threshold", strings.Repeat("Zażółć gęślą jaźń 😀 ", 5000), strings.Repeat("x", 1<<20)} {
		exchange(websocket.TextMessage, []byte(text))
		exchange(websocket.BinaryMessage, []byte(text))
	}
	exchange(websocket.BinaryMessage, noise(100_000))
	received, sent := atomic.LoadInt64(&wire.received), atomic.LoadInt64(&wire.sent)
	text := []byte(hex.EncodeToString(noise(4096)))
	for count := 0; count < repeats; count++ {
		exchange(websocket.TextMessage, text)
	}
	judge(atomic.LoadInt64(&wire.received)-received, "receives")
	judge(atomic.LoadInt64(&wire.sent)-sent, "sends")
	bye := websocket.FormatCloseMessage(1000, "")
	if err := socket.WriteMessage(websocket.CloseMessage, bye); err != nil {
		log.Fatal(err)
	}
	if _, _, err := socket.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		log.Fatal(err)
	}
	fmt.Printf("ok      gorilla, %s\n", mode)
}

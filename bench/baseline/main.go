// Command httpserver is the server that this repository's component replaces, as one writes it in Go: what the component is
// measured beside. Standard library only; VERSION and LISTEN come from the environment.
//
//	/         the request's headers as response headers
//	/healthz  200
//	/echo     the request's body
//	/hello    after a random delay of at most two seconds, a greeting and the request's headers
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// longestHello is the longest wait of /hello, as the component's variable hello_max_delay_ms has it by default.
const longestHello = 2 * time.Second

// drain is how long requests may go on after SIGTERM, as the shim has it by default.
const drain = 20 * time.Second

func main() {
	if err := run(); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func run() error {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	routes := http.NewServeMux()
	routes.HandleFunc("/", root)
	routes.HandleFunc("GET /healthz", healthz)
	routes.HandleFunc("GET /hello", hello)
	routes.HandleFunc("POST /echo", echo)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Addr:              env("LISTEN", ":8080"),
		Handler:           logged(env("VERSION", "dev"), routes),
		ReadHeaderTimeout: 10 * time.Second,
		Protocols:         protocols,
	}

	stop, done := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer done()
	failed := make(chan error, 1)
	go func() { failed <- listenAndServe(server) }()
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests went on for more than %v: %w", drain, err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listenAndServe serves HTTPS if there is a certificate.
func listenAndServe(server *http.Server) error {
	if certificate := os.Getenv("TLS_CERT"); certificate != "" {
		return server.ListenAndServeTLS(certificate, os.Getenv("TLS_KEY"))
	}
	return server.ListenAndServe()
}

func root(w http.ResponseWriter, r *http.Request) {
	for name, values := range r.Header {
		switch name {
		case "Connection", "Content-Length", "Content-Type", "Version":
			// They would lie about this answer.
		default:
			w.Header().Set(name, strings.Join(values, ", "))
		}
	}
	fmt.Fprint(w, "response write ok")
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, "200 ok")
}

func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
		slog.Error(err.Error())
	}
	if _, err := io.Copy(w, r.Body); err != nil {
		slog.Error(err.Error())
	}
}

func hello(w http.ResponseWriter, r *http.Request) {
	time.Sleep(rand.N(longestHello))
	user := r.URL.Query().Get("user")
	if user == "" {
		user = "stranger"
	}
	fmt.Fprintf(w, "hello [%s]\n", user)
	for name, values := range r.Header {
		fmt.Fprintf(w, "%s=%s\n", strings.ToLower(name), strings.Join(values, ", "))
	}
}

// logged gives each answer the version, and writes one line for each request.
func logged(version string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		w.Header().Set("Version", version)
		answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		slog.Info("request", "method", r.Method, "path", r.URL.Path, "status", answer.status, "client", client,
			"duration_ms", float64(time.Since(start).Microseconds())/1000)
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func env(name, fallback string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return fallback
}

// mixture: what a Go runtime needs of a kernel: threads and futexes under goroutines, SIGURG preemption and memory
// advice under the garbage collector, epoll and pipes under os/exec, signal delivery under signal.Notify.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

func goroutines() int {
	var group sync.WaitGroup
	var lock sync.Mutex
	total := 0
	for i := 0; i < 200; i++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			garbage := make([]byte, 4096)
			garbage[0] = byte(n)
			lock.Lock()
			total += n
			lock.Unlock()
		}(i)
	}
	group.Wait()
	return total
}

func collect() bool {
	numbers := map[int]int{}
	for i := 0; i < 100000; i++ {
		numbers[i] = i
	}
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumGC >= 2 && len(numbers) == 100000
}

func main() {
	fmt.Println("sum", goroutines())
	notified := make(chan os.Signal, 1)
	signal.Notify(notified, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	select {
	case got := <-notified:
		fmt.Println("signal:", got)
	case <-time.After(5 * time.Second):
		fmt.Println("no signal")
	}
	command := exec.Command("/bin/sh", "-c", "read line; echo child got $line; exit 3")
	command.Stdin = strings.NewReader("a line\n")
	output, err := command.CombinedOutput()
	fmt.Printf("%serror: %v\n", output, err)
	fmt.Println("collected:", collect())
	start := time.Now()
	time.Sleep(50 * time.Millisecond)
	fmt.Println("slept:", time.Since(start) >= 50*time.Millisecond)
	channel := make(chan int)
	go func() {
		for i := 0; i < 1000; i++ {
			channel <- i
		}
		close(channel)
	}()
	sum := 0
	for n := range channel {
		sum += n
	}
	fmt.Println("channel", sum)
}

// Bodies are appended to DATA/bodies, one a line, which is synced once a group.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

type file struct {
	bodies *os.File
	size   int64 // up to the end of the last line that is on disk
	lines  []byte
}

func open(data string) (keeper, error) {
	bodies, err := os.OpenFile(filepath.Join(data, "bodies"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	size, err := wholeLines(bodies)
	if err != nil {
		return nil, err
	}
	folder, err := os.Open(data)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return nil, err
	}
	return &file{bodies: bodies, size: size}, nil
}

// wholeLines cuts what an end without warning left of a line, and returns the size.
func wholeLines(bodies *os.File) (int64, error) {
	size, err := bodies.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	for block := make([]byte, 1<<16); size > 0; {
		from := size - int64(len(block))
		if from < 0 {
			from = 0
		}
		part := block[:size-from]
		if _, err := bodies.ReadAt(part, from); err != nil {
			return 0, err
		}
		if end := bytes.LastIndexByte(part, '\n'); end >= 0 {
			size = from + int64(end) + 1
			break
		}
		size = from
	}
	return size, bodies.Truncate(size)
}

func (f *file) keep(group []*notification) error {
	f.lines = f.lines[:0]
	for _, n := range group {
		start := len(f.lines)
		f.lines = append(f.lines, n.body...)
		// Between the tokens of a JSON text a line's end is white space; inside of them there is none.
		for i, c := range f.lines[start:] {
			if c == '\n' {
				f.lines[start+i] = ' '
			}
		}
		f.lines = append(f.lines, '\n')
	}
	// Not at the end of the file: what a failed write has left there is written over.
	if _, err := f.bodies.WriteAt(f.lines, f.size); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := syscall.Fdatasync(int(f.bodies.Fd())); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	f.size += int64(len(f.lines))
	return nil
}

func (f *file) close() error {
	return f.bodies.Close()
}

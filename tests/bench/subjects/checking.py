"""What check needs of a subject: started with nginx before it where it wants one, posted to, killed."""

import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
PATH = "/v1.0.0/messageReceiver"

NGINX = """
daemon off;
master_process off;
{user}
pid {work}/nginx.pid;
error_log {work}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {work}/client;
    fastcgi_temp_path {work}/fastcgi;
    proxy_temp_path {work}/proxy;
    scgi_temp_path {work}/scgi;
    uwsgi_temp_path {work}/uwsgi;
    client_body_buffer_size 64k;
    keepalive_requests 1000000;
    upstream subject {{
        server unix:{socket} max_fails=0;
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            {location}
        }}
    }}
}}
"""
LOCATIONS = {
    "nginx-only": "return 200 '{{\"result\":\"stored\"}}';",
    "http": 'proxy_pass http://subject; proxy_http_version 1.1; proxy_set_header Connection "";',
    "fastcgi": """
            fastcgi_pass subject;
            fastcgi_keep_conn {keep};
            fastcgi_param SCRIPT_FILENAME {build}/{script};
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param REQUEST_URI $uri;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;""",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def connects(family, address):
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


def run(*command):
    """What a command prints; an exception with what it complained of where it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} {command[1]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Subject:
    """One subject, its data, and the nginx before it."""

    def __init__(self, name, work):
        self.program, self.work = str(HERE / name), work
        self.about = dict(line.split(" ", 1) for line in run(self.program, "about").splitlines())
        self.build, self.data = work.parent / "build" / name, work / "data"
        self.socket = work / "socket"
        self.port = free_port()
        self.process = self.nginx = None
        self.build.mkdir(parents=True)
        self.data.mkdir()

    def start(self):
        direct = self.about["front"] == "direct"
        address = f"127.0.0.1:{self.port}" if direct else str(self.socket)
        with open(self.work / "output", "a") as output:
            self.process = subprocess.Popen(
                [self.program, "start", str(self.build), str(self.data), address],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        if direct:
            wait_for("listening", 15, lambda: connects(socket.AF_INET, ("127.0.0.1", self.port)))
            return
        if self.about["front"] != "nginx-only":
            wait_for("listening", 15, lambda: connects(socket.AF_UNIX, str(self.socket)))
        if self.nginx is None:
            self._start_nginx()

    def _start_nginx(self):
        script = self.about.get("script", "")
        # A child of PHP-FPM belongs to one connection as long as that is kept.
        location = LOCATIONS[self.about["front"]].format(
            build=self.build, script=script, keep="off" if script else "on")
        configuration = self.work / "nginx.conf"
        configuration.write_text(NGINX.format(
            user="user root;" if os.geteuid() == 0 else "", work=self.work, socket=self.socket,
            port=self.port, location=location))
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        self.nginx = subprocess.Popen(
            ["nginx", "-c", str(configuration), "-e", str(self.work / "nginx.log")],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PATH": path})
        wait_for("nginx", 10, lambda: connects(socket.AF_INET, ("127.0.0.1", self.port)))

    def processes(self):
        """The process ids of all that the subject has started."""
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(session) == self.process.pid and state != "Z":
                found.append(int(stat.parent.name))
        return found

    def kill(self):
        """SIGKILL to all of it: the leader first, which would start others anew."""
        self.process.kill()
        while left := self.processes():
            for process in left:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.process.wait()

    def stop(self):
        """SIGTERM to its leader: nothing may be left of it."""
        self.process.terminate()
        self.process.wait(20)
        wait_for("the end of its children", 5, lambda: not self.processes())

    def end(self):
        if self.process is not None:
            self.kill()
        if self.nginx is not None:
            self.nginx.terminate()
            self.nginx.wait()

    def kept(self):
        """(kept, repeats or None): what it says that it has."""
        words = run(self.program, "kept", str(self.data)).split()
        if len(words) != 4 or words[0] != "kept" or words[2] != "repeats":
            raise RuntimeError(f"kept prints {' '.join(words)}")
        return int(words[1]), None if words[3] == "-" else int(words[3])

    def connection(self):
        if self.about["front"] != "direct":
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        context = ssl.create_default_context(cafile=os.environ["BENCH_CERTIFICATE"])
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return http.client.HTTPSConnection("localhost", self.port, timeout=20, context=context)


def post(connection, text):
    """(status, result): what was answered, with what its JSON says where it is some."""
    connection.request("POST", PATH, text.encode(), {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    try:
        return response.status, json.loads(answer).get("result")
    except (ValueError, AttributeError):
        return response.status, None


class Load:
    """Bodies posted on several connections at once, each as long as its subject answers it."""

    def __init__(self, subject, make_body, connections):
        self.sent, self.answered = [], []
        self._end = threading.Event()
        self._subject, self._make_body = subject, make_body
        self._threads = [threading.Thread(target=self._post, args=(i,)) for i in range(connections)]
        for thread in self._threads:
            thread.start()

    def _post(self, number):
        connection = self._subject.connection()
        count = 0
        try:
            while not self._end.is_set():
                body = self._make_body(f"{number}-{count}")
                count += 1
                self.sent.append(body)
                status, _ = post(connection, body)
                if status != 200:
                    return
                self.answered.append(body)
        except (OSError, http.client.HTTPException):
            pass  # it was killed
        finally:
            connection.close()

    def end(self):
        self._end.set()
        for thread in self._threads:
            thread.join()

#!/usr/bin/perl
# launcher.pl — a Netloom tool under its own name: hands one call to the daemon and is its terminal.
#
# Read first: docs/exec-protocol.md.
#
# `netloom tools install` copies this file once per tool, with the line of Perl it found and the tool's name filled in. Perl, because
# it starts in 2 ms where Node takes 60, and is on every Debian and macOS. Only what is built into the interpreter is used: no modules.
# launcher.cjs is the same program for hosts without Perl; one test table runs against both.
#
# Theory of operation. One select loop: frames from the daemon, standard input when the daemon asks for a block, signals noted by
# their handlers. While a host program runs (`jexec J sh`), the terminal's signals are its own business, as in system(3).
use strict;

my $TOOL = '@TOOL@';
$0 = $TOOL;

my ($START, $STDIN, $STDIN_EOF, $SIGNAL, $WINDOW, $SPAWNED) = (1 .. 6);
my ($STDOUT, $STDERR, $EXIT, $SPAWN, $KILL, $WANT_STDIN, $RAW) = (0x11 .. 0x17);
my $BLOCK = 65536;
my ($EINTR, $EPIPE) = (4, 32);
my $EAGAIN = $^O eq 'linux' ? 11 : 35;
my $WNOHANG = 1;

my $sock;
my ($in, $out) = ('', '');    # bytes from and for the daemon
my $want_stdin = 0;
my $cooked;                   # how the terminal was before it was put into raw mode
my %children;                 # pid => id at the daemon
my @signals;                  # noted, not yet served
my %sent;                     # signals forwarded once: the second Ctrl-C is ours
my @ignored;                  # signals the caller had ignored (nohup, background jobs of sh): the daemon must know

sub say_error { my ($text) = @_; syswrite STDERR, "$TOOL: $text\n"; }

sub frame { my ($type, $payload) = @_; $out .= pack('CN', $type, length $payload) . $payload; }

sub json { my ($s) = @_; $s =~ s/(["\\])/\\$1/g; $s =~ s/([\x00-\x1f])/sprintf '\\u%04x', ord $1/ge; return "\"$s\""; }

# The socket's path, and whether it is the default one, whose owner has to be checked.
sub socket_path {
  my $named = $ENV{NETLOOM_SOCKET};
  return ($named, 0) if defined $named && $named ne '';
  my $run = $ENV{XDG_RUNTIME_DIR};
  return ((defined $run && $run ne '' ? $run : "/tmp/netloom-$<") . '/netloom.sock', 1);
}

sub connect_daemon {
  my ($path, $default) = socket_path();
  my $why;
  if ($default) {
    my $owner = (lstat $path)[4];
    $why = "the socket belongs to user $owner" if defined $owner && $owner != $< && $owner != 0;
  }
  $why = 'File name too long' if !defined $why && length($path) > ($^O eq 'linux' ? 107 : 103);
  if (!defined $why) {
    my $address = $^O eq 'linux' ? pack('S a*', 1, "$path\0") : pack('C C a*', 2 + length($path) + 1, 1, "$path\0");
    $why = "$!" unless socket($sock, 1, 1, 0) && connect($sock, $address);
  }
  return $path unless defined $why;
  say_error("cannot reach the Netloom daemon at $path: $why");
  syswrite STDERR, "Start it with \"netloom daemon\" or \"netloom up LAB.yaml\", or let NETLOOM_SOCKET name its socket.\n";
  exit 1;
}

# PWD when it is true, else what the system says.
sub working_folder {
  my ($dev, $ino) = (stat '.')[0, 1];
  if (defined $dev && defined $ENV{PWD} && $ENV{PWD} =~ m{^/}) {
    my @pwd = stat $ENV{PWD};
    return $ENV{PWD} if @pwd && $pwd[0] == $dev && $pwd[1] == $ino;
  }
  my $link = readlink '/proc/self/cwd';
  return $link if defined $link;
  require Cwd;
  return Cwd::getcwd() // '/';
}

# Columns and rows of the terminal at standard output.
sub window {
  my $size = "\0" x 8;
  return (0, 0) unless ioctl STDOUT, ($^O eq 'linux' ? 0x5413 : 0x40087468), $size;
  my ($rows, $columns) = unpack 'SS', $size;
  return ($columns, $rows);
}

sub send_start {
  my @env = map { json($_) . ':' . json($ENV{$_}) } grep { /^(NETLOOM_|LC_|IFCONFIG_FORMAT$|LANG$|TZ$|HOME$|TERM$|COLUMNS$|NO_COLOR$)/ } keys %ENV;
  my $tty = -t STDOUT;
  my ($columns) = $tty ? window() : (0);
  my $start = '{"argv":[' . join(',', map { json($_) } $TOOL, @ARGV) . '],"cwd":' . json(working_folder()) . ',"env":{' . join(',', @env) . '},"tty":' . ($tty ? 'true' : 'false') . ',"stdinTty":' . (-t STDIN ? 'true' : 'false') . ",\"columns\":$columns,\"ignored\":[" . join(',', map { json($_) } @ignored) . ']}';
  $out = "POST /v1/exec HTTP/1.1\r\nHost: netloom\r\nConnection: Upgrade\r\nUpgrade: netloom-exec\r\n\r\n";
  frame($START, $start);
}

# Every key as it is pressed, and not shown; signals of the terminal stay unless it is 2.
sub raw_input {
  my ($on) = @_;
  if ($on) {
    chomp($cooked = `stty -g 2>/dev/null`) unless defined $cooked;
    system 'stty', $on == 2 ? qw(raw -echo) : qw(-icanon -echo min 1 time 0) if $cooked ne '';
  } elsif (defined $cooked) {
    system 'stty', $cooked if $cooked ne '';
    undef $cooked;
  }
}

# Ends this process as the signal would have.
sub die_of {
  my ($name) = @_;
  raw_input(0);
  $SIG{$name} = 'DEFAULT';
  kill $name, $$;
  select undef, undef, undef, 1;
}

sub write_all {
  my ($handle, $data) = @_;
  while (length $data) {
    my $n = syswrite $handle, $data;
    if (defined $n) { substr($data, 0, $n) = ''; next; }
    if ($! == $EINTR) { serve_signals(); next; }
    if ($! == $EAGAIN) { my $w = ''; vec($w, fileno $handle, 1) = 1; select undef, $w, undef, 0.25; next; }
    if ($! == $EPIPE) { die_of('PIPE'); exit 141; }
    say_error("write: $!");
    exit 1;
  }
}

sub lost {
  say_error('the Netloom daemon closed the connection');
  kill_tree($_, 'TERM') for keys %children;
  exit 1;
}

# Signals a process and everything below it.
sub kill_tree {
  my ($root, $name) = @_;
  my %below;
  for (`ps -A -o pid= -o ppid= 2>/dev/null`) { push @{ $below{$2} }, $1 if /(\d+)\s+(\d+)/; }
  my @all = ($root);
  for (my $i = 0; $i < @all; $i++) { push @all, @{ $below{ $all[$i] } || [] }; }
  kill $name, @all;    # parents first: a shell must not go on with its next command
}

sub spawn_host {
  my ($payload) = @_;
  my ($id, $argc, $rest) = unpack 'NNa*', $payload;
  my @strings = split /\0/, $rest, -1;
  pop @strings;
  my @argv = splice @strings, 0, $argc;
  my ($r, $w);
  pipe $r, $w;    # closed by a successful exec
  my $pid = fork;
  if (!defined $pid) { frame($SPAWNED, pack 'NNa*', $id, 0, 'EAGAIN'); return; }
  if ($pid == 0) {
    $SIG{$_} = 'DEFAULT' for qw(INT QUIT TERM HUP TSTP CONT USR1 PIPE WINCH CHLD);
    for (@strings) { $ENV{$1} = $2 if /^([^=]+)=(.*)$/s; }
    close $r;
    close $sock;
    { no warnings; exec { $argv[0] } @argv; }
    syswrite $w, $! + 0;
    # Not exit: the parent's buffers are not ours to flush.
    kill 'KILL', $$;
  }
  close $w;
  my $errno = '';
  1 while !defined sysread($r, $errno, 16) && $! == $EINTR;
  close $r;
  if ($errno ne '') {
    waitpid $pid, 0;
    my %names = (2 => 'ENOENT', 8 => 'ENOEXEC', 13 => 'EACCES', 20 => 'ENOTDIR', 7 => 'E2BIG');
    frame($SPAWNED, pack 'NNa*', $id, 0, $names{$errno} || 'EIO');
    return;
  }
  $children{$pid} = $id;
}

sub reap {
  for my $pid (keys %children) {
    next unless waitpid($pid, $WNOHANG) == $pid;
    my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    frame($SPAWNED, pack 'NN', delete $children{$pid}, $code);
  }
}

sub stop_myself {
  frame($SIGNAL, 'TSTP') unless %children;
  flush_some();
  kill 'STOP', $$;
  frame($SIGNAL, 'CONT') unless %children;
}

sub serve_signals {
  while (defined(my $name = shift @signals)) {
    if ($name eq 'CHLD') { reap(); }
    elsif ($name eq 'WINCH') { frame($WINDOW, pack 'nn', window()); }
    elsif ($name eq 'TSTP') { stop_myself(); }
    elsif (%children) { if ($name ne 'INT' && $name ne 'QUIT') { kill $name, keys %children; } }
    elsif ($name eq 'USR1') { frame($SIGNAL, 'INFO'); }
    elsif ($name eq 'INT' && $sent{INT}++) { die_of('INT'); }
    else { frame($SIGNAL, $name); }
  }
}

sub flush_some {
  while (length $out) {
    my $n = syswrite $sock, $out;
    if (defined $n) { substr($out, 0, $n) = ''; next; }
    next if $! == $EINTR;
    last if $! == $EAGAIN;
    last;    # the daemon is gone: reading will tell
  }
}

sub finish {
  my ($payload) = @_;
  my ($code, $name) = unpack 'Ca*', $payload;
  if ($name =~ /^(INT|TERM|HUP|KILL|PIPE|ALRM)$/) { die_of($name); }
  exit $code;
}

sub serve_frames {
  while (length $in >= 5) {
    my ($type, $length) = unpack 'CN', $in;
    last if length $in < 5 + $length;
    my $payload = substr $in, 5, $length;
    substr($in, 0, 5 + $length) = '';
    if    ($type == $STDOUT) { write_all(\*STDOUT, $payload); }
    elsif ($type == $STDERR) { write_all(\*STDERR, $payload); }
    elsif ($type == $EXIT) { finish($payload); }
    elsif ($type == $SPAWN) { spawn_host($payload); }
    elsif ($type == $KILL) {
      my ($id, $name) = unpack 'Na*', $payload;
      for my $pid (keys %children) { kill_tree($pid, $name) if $children{$pid} == $id && $name =~ /^[A-Z]+$/; }
    }
    elsif ($type == $WANT_STDIN) { $want_stdin = 1; }
    elsif ($type == $RAW) { raw_input(ord $payload); }
  }
}

sub read_stdin {
  my $n = sysread STDIN, my $block, $BLOCK;
  if (!defined $n) {
    return if $! == $EINTR || $! == $EAGAIN;
    $n = 0;
  }
  $want_stdin = 0;
  $n > 0 ? frame($STDIN, $block) : frame($STDIN_EOF, '');
}

# Takes the daemon's HTTP answer off the stream; anything but 101 is shown and ends us.
sub accept_upgrade {
  my $end = index $in, "\r\n\r\n";
  return 0 if $end < 0;
  my $head = substr $in, 0, $end;
  substr($in, 0, $end + 4) = '';
  return 1 if $head =~ m{^HTTP/1\.1 101 };
  my ($status) = $head =~ m{^HTTP/\S+ ([^\r\n]*)};
  say_error('the Netloom daemon refused the call: ' . ($status // 'not an HTTP answer') . "; is it of this version?");
  exit 1;
}

# The exit code is not stty's.
END { local $?; raw_input(0); }

$SIG{PIPE} = 'IGNORE';
my $path = connect_daemon();
$ENV{NETLOOM_SOCKET} = $path;
for my $name (qw(INT QUIT TERM HUP TSTP USR1 WINCH CHLD)) {
  push @ignored, $name if ($SIG{$name} // '') eq 'IGNORE';
  $SIG{$name} = sub { push @signals, $name; };
}
send_start();

my $upgraded = 0;
for (;;) {
  serve_signals();
  flush_some();
  my ($r, $w) = ('', '');
  vec($r, fileno $sock, 1) = 1;
  vec($r, 0, 1) = 1 if $want_stdin;
  vec($w, fileno $sock, 1) = 1 if length $out;
  # The timeout covers a signal that came just before select.
  my $n = select $r, $w, undef, %children ? 0.05 : 0.25;
  reap() if %children;
  next if $n <= 0;
  read_stdin() if $want_stdin && vec($r, 0, 1);
  next unless vec($r, fileno $sock, 1);
  my $got = sysread $sock, $in, $BLOCK, length $in;
  next if !defined $got && ($! == $EINTR || $! == $EAGAIN);
  lost() if !$got;
  $upgraded ||= accept_upgrade();
  serve_frames() if $upgraded;
}

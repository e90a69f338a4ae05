# counter.pl - the counter in the guest: one number for TCP and UDP, which grows with each request. Read first: counter-guest.mjs.
#
#     counter.pl PORT PAGES [DISK]
#
# A request is `ID`, its answer `VALUE ID`, a line each. With DISK each value is in the journal there before it is answered: block VALUE has `VALUE ID`. Blocks go past
# the page cache, and each is read before it is written: the disk must know nothing of a value that the counter has not had yet. If it does, the answer ends with ` ahead`.
# With PAGES so many pages of memory are made dirty every 10 ms.
#
# The guest has no modules of Perl's, not even `strict`; constants are Linux's numbers on x86-64.

my ($port, $pages, $disk) = @ARGV;
my ($BLOCK, $PAGE, $AREA, $TICK_S) = (512, 4096, 32 << 20, 0.01);
my ($CLOCK_GETTIME, $CLOCK_MONOTONIC) = (228, 1);
my ($AF_INET, $SOCK_STREAM, $SOCK_DGRAM, $SOL_SOCKET, $SO_REUSEADDR, $IPPROTO_TCP, $TCP_NODELAY) = (2, 1, 2, 1, 2, 6, 1);
my ($O_RDWR, $O_DSYNC, $O_DIRECT) = (0x2, 0x1000, 0x4000);
my $any = pack 'S n a4 x8', $AF_INET, $port, "\0" x 4;

my ($udp, $listener);
socket($udp, $AF_INET, $SOCK_DGRAM, 0) && bind($udp, $any) or die "udp: $!";
socket($listener, $AF_INET, $SOCK_STREAM, 0) && setsockopt($listener, $SOL_SOCKET, $SO_REUSEADDR, 1) && bind($listener, $any) && listen($listener, 8) or die "tcp: $!";

# What goes past the page cache is on a boundary of a block in memory. A string that is written to has its place from then on.
my ($journal, $room, $at) = (undef, "\0" x (2 * $BLOCK), 0);
if (defined $disk) {
  sysopen($journal, $disk, $O_RDWR | $O_DSYNC | $O_DIRECT) or die "$disk: $!";
  substr($room, 0, 1) = "\0";
  $at = -unpack('J', pack 'p', $room) % $BLOCK;
}

my $value = 0;

# Writes block $value, and says what is to be said of it.
sub journal {
  my ($id) = @_;
  return '' unless defined $journal;
  sysseek($journal, $value * $BLOCK, 0) && sysread($journal, $room, $BLOCK, $at) == $BLOCK or die "journal, read: $!";
  my $said = substr($room, $at, $BLOCK) =~ /[^\0]/ ? ' ahead' : '';
  substr($room, $at, $BLOCK) = pack "a$BLOCK", "$value $id\n";
  sysseek($journal, $value * $BLOCK, 0) && syswrite($journal, $room, $BLOCK, $at) == $BLOCK or die "journal, write: $!";
  return $said;
}

sub answer {
  my ($id) = @_;
  $value++;
  return "$value $id" . journal($id) . "\n";
}

my (%peers, %heard);

sub fromPeer {
  my ($fd) = @_;
  if (!sysread($peers{$fd}, $heard{$fd}, 4096, length $heard{$fd})) {
    delete $peers{$fd};
    delete $heard{$fd};
    return;
  }
  while ($heard{$fd} =~ s/^([^\n]*)\n//) {
    syswrite($peers{$fd}, answer($1));
  }
}

my ($area, $page, $dueAt) = ("\0" x ($pages > 0 ? $AREA : 0), 0, 0);

# Makes pages dirty, if it is time.
sub dirty {
  my $now = "\0" x 16;
  syscall($CLOCK_GETTIME, $CLOCK_MONOTONIC, $now);
  my ($s, $ns) = unpack 'q q', $now;
  return if $s + $ns / 1e9 < $dueAt;
  $dueAt = $s + $ns / 1e9 + $TICK_S;
  for (1 .. $pages) {
    substr($area, $page * $PAGE, 4) = pack 'L', $value + $_;
    $page = ($page + 1) % ($AREA / $PAGE);
  }
}

print "counter on port $port\n";
while (1) {
  my $ready = '';
  vec($ready, fileno $_, 1) = 1 for $udp, $listener, values %peers;
  my $n = select($ready, undef, undef, $pages > 0 ? $TICK_S : undef);
  dirty() if $pages > 0;
  next unless $n > 0;
  if (vec($ready, fileno $listener, 1) && accept(my $peer, $listener)) {
    setsockopt($peer, $IPPROTO_TCP, $TCP_NODELAY, 1);
    ($peers{fileno $peer}, $heard{fileno $peer}) = ($peer, '');
  }
  if (vec($ready, fileno $udp, 1) && defined(my $from = recv($udp, my $id, 2048, 0))) {
    $id =~ s/\s+$//;
    send($udp, answer($id), 0, $from);
  }
  fromPeer($_) for grep { vec($ready, $_, 1) } keys %peers;
}

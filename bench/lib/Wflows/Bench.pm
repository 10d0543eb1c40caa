package Wflows::Bench;

# What bench/run does: makes requests, drives wrk, counts what they cost, looks at what was answered.

use strict;
use warnings;

use Carp qw(croak);
use Cpanel::JSON::XS ();
use Cwd qw(abs_path);
use DBI;
use File::Path qw(make_path);
use HTTP::Tiny;
use Redis;
use Time::HiRes qw(sleep time);
use Wflows::Client;
use Wflows::Companies;
use Wflows::Process qw(find_tool read_file run write_file);

# A guess of the RSA limit for a warm-up, high enough that requests do not run out.
use constant RSA_ENOUGH => 12_000;

my $json = Cpanel::JSON::XS->new->utf8->canonical;

sub new {
    my ($class, %o) = @_;
    my $src = abs_path($o{src});
    my $file = "$src/.run/demo.json";
    die "bench/run: there is no running demo. Start it with ./run-demo\n" unless -e $file;
    my $self = bless { %o, src => $src, dir => "$src/.run/bench", demo => $json->decode(read_file($file)) }, $class;
    make_path($self->{dir}, { mode => 0700 });
    die "bench/run: wrk is not installed: support/setup-debian\n" unless find_tool('wrk');
    run(command => ['make', '-s', '-C', "$src/build", 'bench/wf-bench'], check => 1, timeout => 300);
    die "bench/run: the demo does not answer. Start it with ./run-demo start\n" unless $self->_get('/health')->{status};
    $self->{aes} = unpack('H*', join('', map { chr(int(rand(256))) } 1 .. 16));
    $self->{run_id} = sprintf('%x', int(time * 1000));
    return $self;
}

sub cores { my $n = () = read_file('/proc/cpuinfo') =~ /^processor\s*:/mg; return $n || 1 }

sub _get {
    my ($self, $path) = @_;
    my $r = HTTP::Tiny->new(timeout => 10)->get($self->{demo}{base_url} . $path);
    return $r->{status} == 599 ? {} : $r;
}

sub dbh {
    my ($self) = @_;
    return $self->{dbh} //= do {
        my ($user, $password, $host, $port, $database) =
            $self->{demo}{postgres_url} =~ m{^postgresql://([^:]+):([^@]+)@([^:/]+):(\d+)/(\w+)$} or die "demo.json: postgres_url\n";
        DBI->connect("dbi:Pg:host=$host;port=$port;dbname=$database", $user, $password,
            { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
    };
}

sub redis {
    my ($self) = @_;
    my ($password, $server) = $self->{demo}{redis_url} =~ m{^redis://(?::([^@]*)@)?([^/]+)} or die "demo.json: redis_url\n";
    return $self->{redis} //= Redis->new(server => $server, defined $password ? (password => $password) : ());
}

# ---- what the machine can do ------------------------------------------------------------------------------

# RSA-2048 private operations per second of all cores together.
sub rsa_limit {
    my ($self) = @_;
    my $r = run(command => ['openssl', 'speed', '-multi', $self->cores, '-seconds', 3, 'rsa2048'], timeout => 120, check => 1);
    my ($per_second) = $r->{out} =~ /^rsa\s+2048\s+bits\s+\S+s\s+\S+s\s+([\d.]+)/m or croak "openssl speed: $r->{out}";
    return $per_second;
}

# RSS and PSS of httpd's children, in kB.
sub memory {
    my ($self) = @_;
    my ($main) = read_file($self->{demo}{pid_file}) =~ /(\d+)/;
    my %m = (rss => 0, pss => 0, pids => []);
    for my $stat (glob('/proc/[0-9]*/stat')) {
        open(my $fh, '<', $stat) or next;
        my ($pid, $parent) = (<$fh> // '') =~ /^(\d+) \(.*\) \S (\d+)/s or next;
        next unless $parent == $main;
        my $rollup = eval { read_file("/proc/$pid/smaps_rollup") } // next;
        push @{ $m{pids} }, $pid;
        $m{rss} += $1 if $rollup =~ /^Rss:\s+(\d+)/m;
        $m{pss} += $1 if $rollup =~ /^Pss:\s+(\d+)/m;
    }
    die "bench/run: no child of httpd can be looked at (are you its user, or root?)\n" unless @{ $m{pids} };
    @{ $m{pids} } = sort { $a <=> $b } @{ $m{pids} };
    return \%m;
}

# ---- counters -----------------------------------------------------------------------------------------------

sub counters {
    my ($self) = @_;
    my $metrics = $self->_get('/metrics')->{content} // '';
    my $sum = sub { my ($name) = @_; my $n = 0; $n += $1 while $metrics =~ /^\Q$name\E(?:\{[^}]*\})? (\d+)/mg; return $n };
    my $info = $self->redis->info('stats');
    my ($transactions) = $self->dbh->selectrow_array('SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()');
    my ($sessions, $steps) = $self->dbh->selectrow_array('SELECT count(*), coalesce(sum(step), 0) FROM wflows.flow_sessions');
    return {
        rsa => $sum->('wflows_rsa_private_operations_total'), exchanges => $sum->('wflows_exchanges_total'),
        groups => $sum->('wflows_session_step_groups_total'), group_steps => $sum->('wflows_session_steps_total'),
        redis => $info->{total_reads_processed}, transactions => $transactions, steps => $steps, sessions => $sessions,
    };
}

# ---- requests -------------------------------------------------------------------------------------------------

# Plaintexts, so many, none twice. data_exchange: blocks of new sessions take their first step, then their
# second; both of a token go to the same wrk thread, and never in one breath.
use constant BLOCK => 256;

sub _plain {
    my ($self, $kind, $i) = @_;
    return '{"version":"3.0","action":"ping"}' if $kind eq 'ping';
    my $phase = $self->{phase_number};
    return qq({"version":"3.0","action":"INIT","screen":"","data":{},"flow_token":"bench-$self->{run_id}-$phase-$i"})
        if $kind eq 'INIT';
    my $block = int($i / (2 * BLOCK));
    my $in_block = $i % (2 * BLOCK);
    my $token = "bench-$self->{run_id}-$phase-" . ($block * BLOCK + $in_block % BLOCK);
    my ($screen, $data) = $in_block < BLOCK
        ? ('CHOOSE_SERVICE', '{"service":"haircut","day":"2030-05-17"}')
        : ('CHOOSE_TIME', '{"time":"0900","name":"Ada Lovelace","age":"36"}');
    return qq({"version":"3.0","action":"data_exchange","screen":"$screen","data":$data,"flow_token":"$token"});
}

sub _make_requests {
    my ($self, $kind, $count, $companies) = @_;
    my ($lines, $out, $keys) = map { "$self->{dir}/$_" } 'lines', 'requests', 'public-keys';
    my @targets;

    if ($companies) {
        $keys = "$self->{dir}/bench-public";
        @targets = map { [Wflows::Companies::slug($_), Wflows::Companies::SECRET, $_] } 0 .. $companies - 1;
    } else {
        my $pem = read_file($self->{demo}{account}{public_key_file});
        $pem =~ s/-----[^-]+-----|\s//g;
        write_file($keys, "$pem\n");
        @targets = ([$self->{demo}{company}{slug}, $self->{demo}{account}{app_secret}, 0]);
    }
    open(my $fh, '>', $lines) or die "$lines: $!\n";
    for my $i (0 .. $count - 1) {
        # A stride that is coprime to the number of companies: all of them, in no order a cache would like;
        # the two steps of a token are of the same company.
        my $token = $kind eq 'data_exchange' ? int($i / (2 * BLOCK)) * BLOCK + $i % BLOCK : $i;
        my ($slug, $secret, $key) = @{ $targets[$token * 7919 % @targets] };
        print {$fh} join("\t", "/company/$slug/flows/endpoint/$self->{demo}{flow}{name}", $secret, $key, $self->_plain($kind, $i)), "\n";
    }
    close($fh) or die "$lines: $!\n";
    my ($host) = $self->{demo}{base_url} =~ m{//(.*)$};
    $self->wf_bench("requests '$host' $self->{aes} '$keys' < '$lines' > '$out'");
    return $out;
}

# Runs it with these words of a shell.
sub wf_bench {
    my ($self, $words) = @_;
    system("'$self->{src}/build/bench/wf-bench' $words") == 0 or die "bench/run: wf-bench failed\n";
    return;
}

# ---- one phase --------------------------------------------------------------------------------------------------

my %right_answer = (
    ping => sub { return ($_[0]{data}{status} // '') eq 'active' },
    INIT => sub { return $_[0]{screen} eq 'CHOOSE_SERVICE' && @{ $_[0]{data}{services} } == 3 },
    data_exchange => sub { return $_[0]{screen} =~ /^(?:CHOOSE_TIME|CONFIRM)$/ && !exists $_[0]{data}{error_message} },
);

# Every answer must be 200, every sample must decrypt to what this request gets, and the database must hold
# a step for each. Anything else ends the bench: a fast wrong answer is worth nothing.
sub phase {
    my ($self, $kind, $rsa, %o) = @_;
    my $seconds = $o{seconds} // $self->{seconds};
    $self->{phase_number}++;
    # No server can answer more than this, as each request needs an RSA operation. Pings may repeat.
    my $count = $kind eq 'ping' ? 20_000 : int($rsa * $seconds * 0.8 / (2 * BLOCK) + 1) * 2 * BLOCK;
    my $file = $self->_make_requests($kind, $count, $o{companies});
    my $before = $self->counters;
    my ($r, $samples) = $self->wrk($kind, $file, seconds => $seconds);
    sleep 1.5; # PostgreSQL's statistics are a second behind
    my $after = $self->counters;

    my %r = %$r;
    die "bench/run: $kind: there were too few requests ($count)\n" if $r{wrapped} && $kind ne 'ping';
    $r{sampled} = $self->_check_samples($kind, $samples);
    $self->_check_steps($kind, \%r, $after->{steps} - $before->{steps}) if $kind ne 'ping';
    $r{cost} = _cost($before, $after);
    return \%r;
}

# Posts the requests of a file at full speed. What wrk measured, and the answers that post.lua kept.
sub wrk {
    my ($self, $what, $file, %o) = @_;
    my ($r, $out) = $self->drive($what, 'post.lua', '', %o, args => [$file, $self->wrk_threads]);
    return ($r, $out =~ /^WFBENCHSAMPLES\n(.*)\z/ms);
}

sub wrk_threads { return $_[0]->cores > 1 ? 2 : 1 }

# wrk with one of our scripts, whose done() prints a line WFBENCH. The figures of that line with the rate, and all that wrk said.
sub drive {
    my ($self, $what, $script, $path, %o) = @_;
    my $seconds = $o{seconds} // $self->{seconds};
    my $wrk = run(timeout => $seconds + 60, command => [find_tool('wrk'), '-t', $self->wrk_threads, '-c', $self->{connections},
        '-d', "${seconds}s", '--timeout', '10s', '-s', "$self->{src}/bench/$script", "$self->{demo}{base_url}$path",
        '--', @{ $o{args} // [] }]);
    my ($figures) = $wrk->{out} =~ /^WFBENCH (.*)$/m or die "bench/run: wrk said:\n$wrk->{out}$wrk->{err}\n";
    my %r = map { split /=/ } split ' ', $figures;
    my ($bad) = $wrk->{out} =~ /^WFBENCHBAD (.*)$/m;
    die "bench/run: $what: $r{bad} of $r{answered} answers were not what they must be, the first: $bad\n" if $r{bad};
    die "bench/run: $what: connections failed: $figures\n" if $r{connect} || $r{read} || $r{write} || $r{timeout};
    die "bench/run: $what: nothing was answered\n" unless $r{answered};
    $r{rate} = $r{answered} / $r{seconds};
    return (\%r, $wrk->{out});
}

sub _check_samples {
    my ($self, $kind, $text) = @_;
    my $client = $self->{client} //= Wflows::Client->new(url => '', public_key => read_file($self->{demo}{account}{public_key_file}));
    my $key = pack('H*', $self->{aes});
    my @samples = split(/\n/, $text // '');
    for my $body (@samples) {
        my $plain = $client->open_answer($body, $key, $key ^ ("\x5a" x 16));
        my $answer = defined $plain ? eval { $json->decode($plain) } : undef;
        die "bench/run: $kind: an answer does not decrypt: $body\n" unless $answer;
        die "bench/run: $kind: a wrong answer: $plain\n" unless $right_answer{$kind}->($answer);
    }
    die "bench/run: $kind: no answer was kept for checking\n" unless @samples;
    return scalar @samples;
}

# wrk leaves at most one request per connection unanswered when its time is up; the server finishes those.
sub _check_steps {
    my ($self, $kind, $r, $steps) = @_;
    die "bench/run: $kind: $r->{answered} answers, but $steps steps in the database\n"
        if $steps < $r->{answered} || $steps > $r->{answered} + $self->{connections};
}

sub _cost {
    my ($before, $after) = @_;
    my %d = map { $_ => $after->{$_} - $before->{$_} } keys %$after;
    my $n = $d{exchanges} || 1;
    # A group of steps is one round trip, shared by all of its exchanges.
    return { rsa => $d{rsa} / $n, redis => $d{redis} / $n, pg_transactions => $d{transactions} / $n, pg_trips => $d{groups} / $n };
}

sub warm_up {
    my ($self) = @_;
    $self->phase($_, RSA_ENOUGH, seconds => 10) for qw(ping INIT data_exchange);
}

# ---- many companies -----------------------------------------------------------------------------------------------

# Seconds it took, 0 if they were there.
sub make_companies {
    my ($self, $count) = @_;
    my $start = time;
    my $made = Wflows::Companies::make($self->companies_are, count => $count);
    return $made ? time - $start : 0;
}

# Each company once, so that both sides of the comparison find their records in Redis.
sub warm_up_companies {
    my ($self, $count) = @_;
    $self->phase('data_exchange', RSA_ENOUGH, seconds => 5 + int($count / 500), companies => $count);
}

# What Wflows::Companies needs to know.
sub companies_are {
    my ($self) = @_;
    return (dbh => $self->dbh, dir => $self->{dir}, master_file => "$self->{src}/.run/secrets/master-k1", master_id => 'k1',
        wf_bench => "$self->{src}/build/bench/wf-bench",
        model => { company => $self->{demo}{company}{id}, flow => $self->{demo}{flow}{name} });
}

sub clean {
    my ($self) = @_;
    return Wflows::Companies::remove($self->companies_are) + Wflows::Companies::remove($self->companies_are, prefix => 'events')
        + Wflows::Companies::remove($self->companies_are, prefix => 'api');
}

1;

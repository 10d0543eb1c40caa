package Wflows::Events;

# What bench/run events does: webhooks in, callbacks out, between a sender and a receiver that share a clock
# (wf-bench send, wf-bench receive), for ten companies of its own.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use DBI;
use Time::HiRes qw(sleep time);
use Wflows::Companies;
use Wflows::Process qw(as_user free_port read_file spawn stop_pid wait_until write_file);

use constant {
    COMPANIES => 10,
    # No server of two cores takes in so many a second; wrk must not run out of them while the rate is unknown.
    RATE_ENOUGH => 6000,
    CONNECTIONS => 16,
    # What a worker asks for: wf_deliver.c.
    CLAIM_MAX => 128, CLAIM_EACH => 8,
    CLAIM_CONSUMER => 'bench', # nobody claims for it but us
};

my $json = Cpanel::JSON::XS->new->utf8->canonical;

# bench: a Wflows::Bench. Makes the companies and starts the receiver.
sub new {
    my ($class, $bench) = @_;
    my $self = bless { bench => $bench, dir => $bench->{dir}, prefix => "events-$bench->{run_id}", serial => 0, read_to => 0, got => {} }, $class;
    $self->{port} = free_port();
    $self->{log} = "$self->{dir}/callbacks.log";
    unlink $self->{log};
    $self->{receiver} = spawn(log => "$self->{dir}/receiver.err",
        command => [as_user(undef, 'TERM'), "$bench->{src}/build/bench/wf-bench", 'receive', $self->{port}, $self->{log}]);
    wait_until(10, sub { -e $self->{log} }) or die "bench/run: the receiver did not start: " . read_file("$self->{dir}/receiver.err") . "\n";
    Wflows::Companies::make($bench->companies_are, prefix => $self->{prefix}, count => COMPANIES, callback_url => sub { $self->_url('ok', $_[0]) });
    $self->{companies} = $bench->dbh->selectall_arrayref('SELECT c.id, a.id AS account FROM wflows.companies c
        JOIN wflows.whatsapp_accounts a ON a.company_id = c.id WHERE c.slug LIKE ? ORDER BY c.slug', { Slice => {} }, "$self->{prefix}-%");
    return $self;
}

sub _url { my ($self, $how, $i) = @_; return "http://127.0.0.1:$self->{port}/$how/$i" }
sub _ids { my ($self, @which) = @_; return [map { $_->{id} } @{ $self->{companies} }[@which ? @which : 0 .. COMPANIES - 1]] }

sub count {
    my ($self, $from, @which) = @_;
    return ($self->{bench}->dbh->selectrow_array("SELECT count(*) FROM wflows.$from AND company_id = ANY (?)", undef, $self->_ids(@which)))[0];
}

# ---- webhooks ------------------------------------------------------------------------------------------------

# A finished flow, as Meta reports it.
sub _webhook {
    my ($self, $i, $id) = @_;
    my $number = Wflows::Companies::number($i);
    my $waba = Wflows::Companies::WABA;
    return qq({"object":"whatsapp_business_account","entry":[{"id":"$waba","changes":[{"value":{"messaging_product":"whatsapp",)
        . qq("metadata":{"display_phone_number":"15550100000","phone_number_id":"$number"},"contacts":[{"profile":{"name":"Ada Lovelace"},)
        . qq("wa_id":"32470000001"}],"messages":[{"context":{"from":"15550100000","id":"$id.sent"},"from":"32470000001","id":"$id",)
        . qq("timestamp":"1767225600","type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"name":"flow","body":"Sent",)
        . qq("response_json":"{\\"flow_token\\":\\"$id\\",\\"service\\":\\"haircut\\",\\"day\\":\\"2030-05-17\\",\\"name\\":\\"Ada Lovelace\\"}"}}}]},)
        . qq("field":"messages"}]}]});
}

# `count` signed webhooks, none twice, to these companies in turns: the file, and the message ids.
sub _make {
    my ($self, $count, @which) = @_;
    my ($lines, $out) = map { "$self->{dir}/$_" } 'lines', 'requests';
    my @ids;
    open(my $fh, '>', $lines) or die "$lines: $!\n";
    for my $n (0 .. $count - 1) {
        my $i = $which[$n % @which];
        my $id = sprintf('wamid.%s.%d', $self->{prefix}, $self->{serial}++);
        push @ids, $id;
        print {$fh} join("\t", '/company/' . Wflows::Companies::slug($i, $self->{prefix}) . '/webhooks/whatsapp', Wflows::Companies::SECRET,
            $self->_webhook($i, $id)), "\n";
    }
    close($fh) or die "$lines: $!\n";
    my ($host) = $self->{bench}{demo}{base_url} =~ m{//(.*)$};
    $self->{bench}->wf_bench("signed '$host' < '$lines' > '$out'");
    return ($out, \@ids);
}

# ---- callbacks -------------------------------------------------------------------------------------------------

# When each callback came, by message id, as far as the receiver has written it down.
sub _read_log {
    my ($self) = @_;
    open(my $fh, '<', $self->{log}) or die "$self->{log}: $!\n";
    seek($fh, $self->{read_to}, 0);
    while (my $line = <$fh>) {
        last unless $line =~ /\n\z/;
        $self->{read_to} += length $line;
        my ($at, $id) = split ' ', $line;
        if (exists $self->{got}{$id}) { $self->{repeated}++ } else { $self->{got}{$id} = $at }
    }
    return scalar keys %{ $self->{got} };
}

# Waits until as many callbacks came as there are events in the database; ends the bench when they do not.
sub drain {
    my ($self) = @_;
    my $events = $self->count('webhook_events WHERE true');
    my ($start, $before, $moved) = (time, $self->_read_log, time);
    my $got = $before;
    while ($got < $events) {
        sleep 0.1;
        my $now = $self->_read_log;
        $moved = time if $now > $got;
        $got = $now;
        next if time < $moved + 60;
        my ($error) = $self->{bench}->dbh->selectrow_array(
            'SELECT last_error FROM wflows.outbox WHERE company_id = ANY (?) AND last_error IS NOT NULL LIMIT 1', undef, $self->_ids);
        die "bench/run: $events events are stored, but only $got callbacks came: " . ($error // 'no error is noted') . "\n";
    }
    my $took = time - $start;
    return { events => $events, waited => $got - $before, seconds => $took };
}

# ---- figures ---------------------------------------------------------------------------------------------------

sub _percentiles {
    my @sorted = sort { $a <=> $b } @_;
    return map { $sorted[int($_ / 100 * $#sorted + 0.5)] / 1000 } 50, 95, 99, 100;
}

sub _figures {
    my %r = (n => scalar @_);
    @r{qw(p50 p95 p99 max)} = _percentiles(@_) if @_;
    return \%r;
}

# ---- intake ------------------------------------------------------------------------------------------------------

# As fast as the answers come, to all companies.
sub full_speed {
    my ($self, $seconds) = @_;
    my $rate = RATE_ENOUGH;
    my $r;
    for my $phase (3, $seconds) { # the first is a warm-up, and says how many webhooks the second needs
        my ($file) = $self->_make(int($rate * $phase), 0 .. COMPANIES - 1);
        my $before = $self->count('webhook_events WHERE true');
        ($r) = $self->{bench}->wrk('intake', $file, seconds => $phase);
        die "bench/run: intake: there were too few webhooks ($r->{answered} answered)\n" if $r->{wrapped};
        my $stored = $self->count('webhook_events WHERE true') - $before;
        # wrk leaves at most one per connection unanswered.
        die "bench/run: intake: $r->{answered} answers, but $stored events in the database\n"
            if $stored < $r->{answered} || $stored > $r->{answered} + $self->{bench}{connections};
        $r->{drain} = $self->drain;
        $rate = $r->{rate} * 3 + 500; # what else the machine did may have ended
    }
    return $r;
}

# So many a second, to these companies (by number), whatever the answers do. `healthy`: those whose callbacks must
# all come. Latency and delay count from when the webhook was due.
sub open_loop {
    my ($self, %o) = @_;
    my @which = @{ $o{to} };
    my @healthy = @{ $o{healthy} // \@which };
    my %is_healthy = map { $_ => 1 } @healthy;
    my ($file, $ids) = $self->_make(int($o{rate} * $o{seconds}), @which);
    my ($port) = $self->{bench}{demo}{base_url} =~ /:(\d+)$/;
    my $out = "$self->{dir}/sent";
    my $connections = $o{connections} // CONNECTIONS;
    $self->{bench}->wf_bench("send $port $o{rate} $connections '$file' > '$out'");
    my @sent = map { [split ' '] } split /\n/, read_file($out);
    my @bad = grep { $_->[3] != 200 } @sent;
    die sprintf("bench/run: %d of %d webhooks were not answered with 200, the first: %d\n", scalar @bad, scalar @sent, $bad[0][3]) if @bad;
    die 'bench/run: ' . @$ids . ' webhooks were made, ' . @sent . " sent\n" unless @sent == @$ids;

    my @wanted = grep { $is_healthy{ $which[$_ % @which] } } 0 .. $#sent;
    wait_until(60, sub { $self->_read_log; !grep { !exists $self->{got}{ $ids->[$_] } } @wanted });
    my @missing = grep { !exists $self->{got}{ $ids->[$_] } } @wanted;
    die sprintf("bench/run: %d of %d callbacks did not come within a minute, the first: %s\n", scalar @missing, scalar @wanted,
        $ids->[$missing[0]]) if @missing;
    my $span = ($sent[-1][2] - $sent[0][0]) / 1e6;
    return {
        rate => @sent / $span, sent => scalar @sent, intake => _figures(map { $_->[2] - $_->[0] } @sent),
        late => _figures(map { $_->[1] - $_->[0] } @sent),
        delay => _figures(map { $self->{got}{ $ids->[$_] } - $sent[$_][0] } @wanted),
    };
}

# ---- bad receivers -------------------------------------------------------------------------------------------------

# The first company's receiver takes everything and answers nothing, the second's refuses the connection.
sub break_receivers {
    my ($self) = @_;
    $self->_set_url(0, $self->_url('hang', 0));
    $self->_set_url(1, 'http://127.0.0.1:' . free_port() . '/');
    return;
}

sub _set_url {
    my ($self, $i, $url) = @_;
    my $c = $self->{companies}[$i];
    $self->{bench}->dbh->do('UPDATE wflows.whatsapp_accounts SET callback_webhook_url = ? WHERE company_id = ? AND id = ?', undef,
        $url, @$c{qw(id account)});
    return;
}

# Those that could not be delivered, which are not lost.
sub kept {
    my ($self, @which) = @_;
    return $self->count(q{outbox WHERE consumer = 'callback' AND status IN ('pending', 'leased')}, @which);
}

# ---- claiming ----------------------------------------------------------------------------------------------------------

# The connection that workers have.
sub _worker_dbh {
    my ($self) = @_;
    my $dsn = read_file("$self->{bench}{src}/.run/secrets/db");
    my %is = $dsn =~ /(\w+)='?([^'\s]+)'?/g;
    return $self->{worker} //= DBI->connect("dbi:Pg:host=$is{host};port=$is{port};dbname=$is{dbname}", @is{qw(user password)},
        { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
}

# Rows of the bench's own consumer, for all companies in turns; every tenth `waiting` ones are not due yet.
sub add_rows {
    my ($self, $count, $waiting) = @_;
    my $dbh = $self->{bench}->dbh;
    my $start = time;
    my $first = $self->{rows} // 0;
    $dbh->do(q{INSERT INTO wflows.outbox (company_id, id, consumer, account_id, event_type, payload, idempotency_key, due, next_attempt_at)
        SELECT c.company, gen_random_uuid(), ?, c.account, 'flow_completed',
               json_build_object('event_type', 'flow_completed', 'n', n, 'response_data', repeat('x', 200)), 'bench-' || n,
               n % 10 >= ?, now() + CASE WHEN n % 10 >= ? THEN interval '0' ELSE interval '1 day' END
        FROM generate_series(?::int, ?::int) n
        JOIN unnest(?::uuid[], ?::uuid[]) WITH ORDINALITY AS c (company, account, place) ON c.place = n / 10 % ? + 1},
        undef, CLAIM_CONSUMER, $waiting, $waiting, $first, $first + $count - 1, $self->_ids,
        [map { $_->{account} } @{ $self->{companies} }], COMPANIES);
    $self->{rows} = $first + $count;
    $dbh->do('VACUUM (ANALYZE) wflows.outbox');
    return time - $start;
}

sub remove_rows {
    my ($self) = @_;
    my $dbh = $self->{bench}->dbh;
    $dbh->do('DELETE FROM wflows.outbox WHERE consumer = ?', undef, CLAIM_CONSUMER);
    $dbh->do('VACUUM (ANALYZE) wflows.outbox');
    $self->{rows} = 0;
    return;
}

# `count` claims, each taken back: what one takes, in milliseconds, and the pages that it reads.
sub claim_times {
    my ($self, $count) = @_;
    my $dbh = $self->_worker_dbh;
    my $sql = q{SELECT count(id) FROM wflows.outbox_claim(?, 'bench', 60000, ?, ?,
        '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', '{}')};
    my $claim = $dbh->prepare($sql);
    my @took;
    for my $turn (-5 .. $count - 1) { # a worker's plans are made too
        $dbh->begin_work;
        my $start = time;
        $claim->execute(CLAIM_CONSUMER, CLAIM_MAX, CLAIM_EACH);
        my ($rows) = $claim->fetchrow_array;
        push @took, (time - $start) * 1e6 if $turn >= 0;
        $claim->finish;
        $dbh->rollback;
        my $want = COMPANIES * CLAIM_EACH;
        die "bench/run: a claim brought $rows rows and not $want\n" unless $rows == $want;
    }
    $dbh->begin_work;
    my $plan = $dbh->selectcol_arrayref("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) $sql", undef, CLAIM_CONSUMER, CLAIM_MAX, CLAIM_EACH);
    $dbh->rollback;
    my ($pages) = grep { /Buffers:/ } @$plan;
    my $sum = 0;
    $sum += $1 while $pages =~ /(?:hit|read)=(\d+)/g;
    return { %{ _figures(@took) }, pages => $sum };
}

# ---- end ---------------------------------------------------------------------------------------------------------------

# The receiver and everything in the database. Harmless when done twice.
sub stop {
    my ($self) = @_;
    stop_pid(delete $self->{receiver}, 'TERM', 5) if $self->{receiver};
    (delete $self->{worker})->disconnect if $self->{worker};
    return if $self->{removed}++;
    Wflows::Companies::remove($self->{bench}->companies_are, prefix => $self->{prefix});
    $self->{bench}->dbh->do('VACUUM (ANALYZE) wflows.outbox');
    return;
}

1;

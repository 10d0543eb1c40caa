#!/usr/bin/perl
# Callbacks of a fleet: two servers on one database share the work and send nothing twice; a graceful restart loses
# nothing and repeats nothing; a server that stops gives back what hangs; what a killed child had on lease is sent again
# under the same id.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use HTTP::Tiny;
use Test::More;
use Wflows::Httpd;
use Wflows::Process qw(wait_until);
use Wflows::Receiver;
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok need start_stack);

need(qw(pg redis httpd));
my $stack = start_stack(server_directives => "WflowsFlowCallbackAllow 127.0.0.1/32\n");
my $second = Wflows::Httpd->new(dir => "$stack->{dir}/second", modules_dir => "$stack->{build}/.libs",
    global => $stack->httpd->{global}, main => "WflowsTenant On\nWflowsFlowOutboxWorkers 3\n");
$second->start;
END { $second->stop if $second }
my $receiver = Wflows::Receiver->start(dir => $stack->{dir});
my $dbh = $stack->dbh;
my $serial = 0;

sub company {
    my ($slug, $path) = @_;
    my $tenant = Wflows::Tenant->add($stack, slug => $slug,
        accounts => [{ name => 'main', no_key => 1, options => ['--callback-url', $receiver->url($path)] }]);
    $stack->ctl('account', 'set', 'main', '--company', $slug, { 'callback-secret' => 'a secret of the fleet' });
    return $tenant;
}

sub put {
    my ($tenant, $count) = @_;
    $dbh->begin_work;
    $dbh->do(q{select wflows.outbox_add(?, 'callback', ?, 'flow_completed', ?, '{}')}, undef, $tenant->{id}, $tenant->{accounts}{main}{id}, 'k' . ++$serial)
        for 1 .. $count;
    $dbh->commit;
    $dbh->do(q{select pg_notify('wflows_outbox', '')});
}

sub left { return $dbh->selectrow_array(q{select count(*) from wflows.outbox where consumer = 'callback' and status <> 'done'}) }

# How often each id came for a path.
sub arrivals { my ($path) = @_; my %n; $n{ $_->{id} }++ for $receiver->got($path); return \%n }

sub once_each {
    my ($path, $count, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $times = arrivals($path);
    is(scalar keys %$times, $count, "$name: each arrives");
    is_deeply([grep { $times->{$_} > 1 } keys %$times], [], "$name: none twice");
}

# ---- two servers ----------------------------------------------------------------------------------------------

my @companies = map { company("c-$_", '/slow/20') } 1 .. 6;
put($_, 80) for @companies;
ok(wait_until(60, sub { left() == 0 }), 'two servers do the work');
once_each('/slow/20', 480, 'two servers');
{
    my @figures = map {
        my $text = HTTP::Tiny->new->get($_->url('/metrics'))->{content};
        $text =~ /^wflows_callback_attempts_total\{result="delivered"\} (\d+)/m ? $1 : 0
    } $stack->httpd, $second;
    is($figures[0] + $figures[1], 480, 'and count it');
    ok($figures[0] > 0 && $figures[1] > 0, 'both of them') or diag("@figures");
}

# ---- a stop -------------------------------------------------------------------------------------------------------

# Each of its workers waits six seconds for what is on its way. One after the other that is more than the parent waits for
# a child, which it then kills with all that the workers have on lease.
$stack->httpd->stop;
my $busy = company('busy', '/hang?busy');
$dbh->do('update wflows.whatsapp_accounts set callback_timeout = 60000 where company_id = ?', undef, $busy->{id});
sub holders {
    return $dbh->selectrow_array(q{select count(distinct split_part(lease_owner, '/', 1)) from wflows.outbox
        where company_id = ? and status = 'leased'}, undef, $busy->{id});
}
ok(wait_until(30, sub { put($busy, 1); holders() == 3 }), 'each of three workers has deliveries on its way that hang');
ok($second->stop, 'their server stops');
is(holders(), 0, 'they have given them all back');
$receiver->set('/hang', { status => 200 });
$stack->httpd->start;
ok(wait_until(60, sub { left() == 0 }), 'another server delivers them');
$receiver->set('/hang', undef);

# ---- a graceful restart -------------------------------------------------------------------------------------------

my $slow = company('slow', '/slow/1500');
put($slow, 6);
ok($receiver->wait_for('/slow/1500', 6), 'deliveries are on their way');
my @before = $stack->httpd->children;
$stack->httpd->graceful;
put($slow, 4);
ok(wait_until(60, sub { left() == 0 }), 'after a graceful restart all are done');
once_each('/slow/1500', 10, 'a graceful restart');
ok(wait_until(30, sub { my %now = map { $_ => 1 } $stack->httpd->children; !grep { $now{$_} } @before }), 'the old children have ended');

# ---- a killed child -----------------------------------------------------------------------------------------------

my $hang = company('hang', '/hang');
put($hang, 1);
ok($receiver->wait_for('/hang', 1), 'a delivery is on its way');
kill 'KILL', $stack->httpd->children;
ok(wait_until(20, sub { (my @now = $stack->httpd->children) > 0 }), 'its child is killed, another comes');
is($dbh->selectrow_array(q{select count(*) from wflows.outbox where company_id = ? and status = 'leased'}, undef, $hang->{id}), 1,
    'the row is still on lease');
my ($lease) = $dbh->selectrow_array(q{select extract(epoch from lease_until - created_at) from wflows.outbox where company_id = ?}, undef, $hang->{id});
ok($lease > 20 && $lease < 30, 'for the 5 s that the account gives its receiver and 15 more') or diag($lease);
$receiver->set('/hang', { status => 200 });
$dbh->do(q{update wflows.outbox set lease_until = now() where status = 'leased'});
ok(wait_until(30, sub { left() == 0 }), 'when the lease has run out it is sent again');
is_deeply([values %{ arrivals("/hang") }], [2], 'under the same id');

errlog_ok($stack, ignore => [qr/exit signal Killed/, 'AH00052']);
$receiver->stop;
done_testing;

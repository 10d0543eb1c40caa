#!/usr/bin/perl
# wflowsctl outbox: what waits and why, one delivery with its attempts, and sending again, over real stores. The
# workers are this test: it claims and finishes rows with the functions that they use.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Test::More;
use Wflows::Ctl qw(ctl_fails ctl_ok);
use Wflows::Test qw(need start_stack);

need('pg', 'redis');
my $stack = start_stack(only_stores => 1);
my $dbh = $stack->dbh;
my $json = Cpanel::JSON::XS->new->canonical;
my $nil = '00000000-0000-0000-0000-000000000000';
my $private = 'Maria Souza, CPF 123';

sub company {
    my ($slug) = @_;
    my $company = ctl_ok($stack, ['company', 'add', $slug, '--name', $slug, '--json'], "company $slug");
    my $account = ctl_ok($stack, ['account', 'add', '--company', $slug, '--name', 'main', '--phone-number-id', '1' . length($slug) . '34567',
        '--callback-url', "https://$slug.example/hook?key=sesame", '--json'], "account of $slug");
    return { slug => $slug, id => $company->{id}, account => $account->{id} };
}

# Puts a row in as the intake does; answers its id.
sub put {
    my ($of, $type, $age) = @_;
    our $serial;
    my $key = 'k-' . ++$serial;
    $dbh->do('select wflows.outbox_add(?, ?, ?, ?, ?, ?)', undef, $of->{id}, 'callback', $of->{account}, $type, $key,
        $json->encode({ event_type => $type, who => $private }));
    $dbh->do(q{update wflows.outbox set created_at = created_at - ?::interval where idempotency_key = ? and company_id = ?}, undef, $age, $key, $of->{id})
        if $age;
    return $dbh->selectrow_array('select id from wflows.outbox where company_id = ? and idempotency_key = ?', undef, $of->{id}, $key);
}

# A worker's turn: all that is due ends as `outcome`. Answers how many.
sub work {
    my ($outcome, $status, $reply) = @_;
    my $rows = $dbh->selectall_arrayref(q{select company_id, id from wflows.outbox_claim('callback', 'lease-1', 60000, 1000, 1000, ?, ?, '{}')
        where id is not null}, undef, $nil, $nil);
    return scalar @$rows unless $outcome;
    my $in_an_hour = (time + 3600) . '000000';
    $dbh->do('select wflows.outbox_finish(?)', undef, [$_->[0], $_->[1], 'lease-1', $outcome, $outcome eq 'retry' ? $in_an_hour : undef,
        time . '000000', 37, $status, $outcome eq 'done' ? undef : "the receiver answered $status", $reply]) for @$rows;
    return scalar @$rows;
}

sub status_of { my ($id) = @_; return scalar $dbh->selectrow_array('select status from wflows.outbox where id = ?', undef, $id) }

sub audits { return @{ $dbh->selectall_arrayref(q{select *, metadata::text as words from wflows.audit_logs where action = 'outbox.replayed' order by created_at, id}, { Slice => {} }) } }

sub replay { my ($name, @args) = @_; return ctl_ok($stack, ['outbox', 'replay', @args, '--json'], $name) }

my ($acme, $globex) = (company('acme'), company('globex'));
$dbh->do(q{delete from wflows.outbox}); # of what making them left behind

# ---- list -------------------------------------------------------------------------------------------------

like(ctl_ok($stack, ['outbox', 'list'], 'outbox list, nothing')->{err}, qr/Nothing waits/, 'nothing waits');

my @dead = map { put($acme, 'flow_completed', $_) } '3 days', '2 hours', '1 hour';
is(work('dead', 500, 'bm9wZQ=='), 3, 'three are given up');
my $waiting = put($acme, 'message.text', '5 hours');
is(work('retry', 503), 1, 'one is to be tried again');
my $done = put($acme, 'message.image');
is(work('done', 200, '/wAB'), 1, 'one is delivered');
my $other = put($globex, 'flow_completed', '9 hours');
my $due = put($acme, 'flow_completed', '7 hours');

my $list = ctl_ok($stack, ['outbox', 'list', '--json'], 'outbox list');
my %row = map { $_->{company} => $_ } @{ $list->{data} };
is_deeply([map { $row{acme}{$_} } qw(due waiting leased dead)], [1, 1, 0, 3], 'acme: what is due, waiting and given up');
is_deeply([map { $row{globex}{$_} } qw(due waiting leased dead)], [1, 0, 0, 0], 'globex has its own line');
is($row{acme}{account}, 'main', 'by account');
is($row{acme}{target}, 'https://acme.example', 'where it goes, without what may be a key');
is($row{acme}{held_by}, undef, 'nothing holds it');
is($list->{total}{depth}, 3, 'the depth is what is still to be done');
is($list->{total}{dead}, 3, 'what was given up is told apart');
is($list->{total}{oldest_at}, $row{globex}{oldest_at}, 'the oldest of all');
is(@{ ctl_ok($stack, ['outbox', 'list', '--company', 'globex', '--json'], 'of one company')->{data} }, 1, '--company');
is(@{ ctl_ok($stack, ['outbox', 'list', '--consumer', 'media', '--json'], 'of one consumer')->{data} }, 0, '--consumer');
my $table = ctl_ok($stack, ['outbox', 'list'], 'outbox list, for people');
like($table->{out}, qr{^acme +main +callback +https://acme\.example +- +1 +1 +0 +3 +20}m, 'a line for each');
like($table->{err}, qr/^3 to deliver, 3 given up; the oldest is of 20/m, 'and the sum');
ctl_fails($stack, ['outbox', 'list', '--company', 'nobody'], 4, qr/no company 'nobody'/, 'an unknown company is 4');

ctl_ok($stack, ['company', 'suspend', 'globex', '--reason', 'test'], 'globex is suspended');
$dbh->do('update wflows.whatsapp_accounts set callback_disabled_at = now() where id = ?', undef, $acme->{account});
%row = map { $_->{company} => $_ } @{ ctl_ok($stack, ['outbox', 'list', '--consumer', 'callback', '--json'], 'held')->{data} };
is($row{globex}{held_by}, 'company_suspended', 'a suspended company holds its rows');
is($row{acme}{held_by}, 'callback_disabled', 'a receiver that is gone holds them');
is(work(), 0, 'as the claim sees it');
ctl_ok($stack, ['company', 'activate', 'globex'], 'globex is active');
$dbh->do('update wflows.whatsapp_accounts set callback_disabled_at = null where id = ?', undef, $acme->{account});

# ---- show -------------------------------------------------------------------------------------------------

my $shown = ctl_ok($stack, ['outbox', 'show', $dead[0], '--json'], 'outbox show');
is($shown->{$_->[0]}, $_->[1], "show: $_->[0]") for ['id', $dead[0]], ['company', 'acme'], ['account', 'main'], ['status', 'dead'],
    ['event_type', 'flow_completed'], ['attempts', 1], ['last_error', 'the receiver answered 500'];
my $attempt = $shown->{attempt_list}[0];
is($attempt->{$_->[0]}, $_->[1], "the attempt: $_->[0]") for ['attempt', 1], ['status_code', 500], ['duration_ms', 37], ['response', undef];
is($shown->{payload}, undef, 'no payload unless it is asked for');
for my $args (['--json'], [], ['--json', '-v']) {
    my $r = $stack->ctl_raw(['outbox', 'show', $dead[0], @$args]);
    unlike("$r->{out}$r->{err}", qr/Maria|nope/, "nothing that people wrote: show @$args");
}
my $with = ctl_ok($stack, ['outbox', 'show', "msg_$dead[0]", '--payload', '--json'], 'outbox show --payload, by its webhook-id');
is($with->{payload}{who}, $private, '--payload: what is sent');
is($with->{attempt_list}[0]{response}, 'nope', '--payload: what came back');
my $binary = ctl_ok($stack, ['outbox', 'show', $done, '--payload', '--json'], 'an answer that is no text')->{attempt_list}[0];
is_deeply([@{$binary}{qw(response response_base64)}], [undef, '/wAB'], 'stays base64');
like(ctl_ok($stack, ['outbox', 'show', $dead[0], '--payload'], 'for people')->{out}, qr/^status: +dead\n.*^ +1 +20\S+ +37 +500 +the receiver answered 500\n.*^answer 1: +nope\n/ms,
    'members, attempts, answers');
like(ctl_ok($stack, ['outbox', 'show', $due], 'one that nobody tried')->{err}, qr/No attempt/, 'no attempt yet');
for my $none ($nil, 'frob', "msg_") {
    ctl_fails($stack, ['outbox', 'show', $none, '--json'], 4, qr/no delivery/, "no such delivery is 4: $none");
    ctl_fails($stack, ['outbox', 'replay', $none], 4, qr/no delivery/, "nor can it be sent again: $none");
}

# ---- replay one -------------------------------------------------------------------------------------------

is(replay('dry run of one', $dead[0], '--dry-run')->{status}, 'dead', 'a dry run leaves it');
is(status_of($dead[0]), 'dead', 'in the database too');
is(scalar(audits()), 0, 'and writes no audit row');
my $again = replay('replay one', "msg_$dead[0]");
is_deeply([@{$again}{qw(id status attempts)}], [$dead[0], 'pending', 1], 'it is due again under its own id');
my ($audit) = audits();
is_deeply([@{$audit}{qw(company_id resource_type resource_id)}], [$acme->{id}, 'outbox', $dead[0]], 'the audit row names it');
like($audit->{actor}, qr/^wflowsctl:/, 'and who did it');
unlike($audit->{words}, qr/Maria/, 'and nothing that was sent');
is(work('done', 200), 3, 'a worker takes it with the others');
my $list2 = ctl_ok($stack, ['outbox', 'show', $dead[0], '--json'], 'afterwards')->{attempt_list};
is_deeply([map { [$_->{attempt}, $_->{status_code}] } @$list2], [[1, 500], [2, 200]], 'both attempts are kept');
is_deeply([map { !!$_->{before_replay} } @$list2], [!!1, !!0], 'and which was before');
my $taken = put($acme, 'flow_completed');
work();
ctl_fails($stack, ['outbox', 'replay', $taken, '--json'], 6, qr/being made just now/, 'one that a worker has is 6');
is(status_of($taken), 'leased', 'and stays with the worker');

# ---- replay many ------------------------------------------------------------------------------------------

for my $case (
    [[], qr/an ID, or a --company/], [[$dead[1], '--status', 'dead'], qr/--status chooses many/], [['-C', 'acme', '--status', 'leased'], qr/'leased' is none of/],
    [['-C', 'acme', '--status', ''], qr/none is named/], [['-C', 'acme', '--status', 'ead'], qr/none of/], [['-C', 'acme', '--consumer', 'x'], qr/none of: callback/],
    [['-C', 'acme', '--since', 'yesterday'], qr/is no time/], [['-C', 'acme', '--since', '2026-02-31'], qr/is no time/],
    [['-C', 'acme', '--since', '2026-11-22T18:00:00'], qr/is no time/], [['-C', 'acme', '--since', '1h', '--until', '2h'], qr/not before/],
) {
    ctl_fails($stack, ['outbox', 'replay', @{ $case->[0] }], 2, $case->[1], "wrong usage is 2: @{ $case->[0] }");
}

sub would {
    my ($name, $count, @args) = @_;
    my $r = replay("dry run: $name", '--company', 'acme', '--dry-run', @args);
    is_deeply([$r->{matched}, $r->{replayed}, scalar @{ $r->{first} }], [$count, 0, $count], "$name: $count");
    return $r;
}

# Dead now: of 2 hours and 1 hour ago. Done: the one of 3 days, of 7 hours, an image. Waiting: a text of 5 hours ago.
is_deeply([map { $_->{id} } @{ would('those given up are meant', 2)->{first} }], [@dead[1, 2]], 'in the order they were made');
would('of a status', 3, '--status', 'done');
would('of several', 6, '--status', 'dead,done,pending');
would('of a type', 1, '--status', 'done', '--event-type', 'message.image');
would('of types', 2, '--status', 'done,pending', '--event-type', 'message.*');
would('since a while', 1, '--since', '90m');
would('until then', 1, '--until', '90m');
would('between', 2, '--status', 'dead,done,pending', '--since', '6h', '--until', '90m');
would('since a day long ago', 2, '--since', '2020-01-01');
would('until an hour long ago', 0, '--until', '2020-01-01T00:00Z');
would('of another consumer', 0, '--consumer', 'media');
my $people = ctl_ok($stack, ['outbox', 'replay', '-C', 'acme', '-n'], 'a dry run for people');
like($people->{out}, qr/^\Q$dead[1]\E +flow_completed +dead +1 /m, 'shows which');
like($people->{err}, qr/2 would be sent again/, 'and how many');
is(scalar(audits()), 1, 'dry runs write no audit row');

my $r = replay('replay by time', '--company', 'acme', '--since', '90m');
is_deeply([@{$r}{qw(matched replayed)}], [1, 1], 'one of them');
is_deeply([map { status_of($_) } @dead], ['done', 'dead', 'pending'], 'the one that was meant');
$audit = (audits())[-1];
my $words = $json->decode($audit->{words});
is_deeply([$audit->{resource_id}, $words->{replayed}, $words->{ids}, $words->{statuses}], [undef, 1, [$dead[2]], '{"dead"}'],
    'the audit row: how they were chosen, and which');

# More than a batch, of one moment: each once, and the other company's stay.
$dbh->do(q{insert into wflows.outbox (company_id, id, consumer, account_id, event_type, payload, idempotency_key, status, due, created_at, done_at)
    select ?::uuid, gen_random_uuid(), 'callback', ?::uuid, 'status.read', '{}', 'many-' || n, 'dead', true, now() - interval '1 day', now()
    from generate_series(1, 1200) n}, undef, @{$_}{qw(id account)}) for $acme, $globex;
my $before = audits();
$r = replay('replay many', '--company', 'acme', '--event-type', 'status.*');
is_deeply([@{$r}{qw(matched replayed)}], [1200, 1200], 'all of them, in batches');
is(scalar(@{ $r->{first} }), 50, 'and not all are shown');
is(audits() - $before, 3, 'an audit row for each batch');
is_deeply($dbh->selectall_arrayref(q{select c.slug, o.status, count(*)::int from wflows.outbox o join wflows.companies c on c.id = o.company_id
    where o.event_type = 'status.read' group by 1, 2 order by 1}), [['acme', 'pending', 1200], ['globex', 'dead', 1200]], 'of that company alone');
$r = replay('a waiting one again', '--company', 'acme', '--status', 'pending', '--event-type', 'message.text');
is_deeply([@{$r}{qw(matched replayed)}], [1, 1], 'what waits is matched once, though it stays pending');
ok($dbh->selectrow_array('select due from wflows.outbox where id = ?', undef, $waiting), 'and is due now');

done_testing();

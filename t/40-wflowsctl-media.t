#!/usr/bin/perl
# wflowsctl media: a company's files are listed and decrypted, never over another file, and whoever reads one is in the
# audit log. The files are sealed by an independent implementation.

use strict;
use warnings;
use lib 't/lib';

use File::Temp qw(tempdir);
use Test::More;
use Wflows::Ctl qw(ctl_fails ctl_ok);
use Wflows::Process qw(read_file write_file);
use Wflows::Seal qw(store_file);
use Wflows::Test qw(need start_stack);

need('pg', 'redis');
my $stack = start_stack(only_stores => 1);
my $dbh = $stack->dbh;
my $dir = tempdir(CLEANUP => 1);
my $media = "$dir/media";
mkdir $media, 0700 or die $!;
my %company = map { $_ => ctl_ok($stack, ['company', 'add', $_, '--name', $_, '--json'], "company $_")->{id} } qw(acme other);
my $session = '0190163d-8694-739b-aea5-966c26f8ad91';
my $response = '0190163d-8694-739b-aea5-966c26f8ad92';
my $photo = "\xff\xd8\xff\x00\n" . join('', map { pack('N', $_) } 1 .. 50_000); # four pieces
my $id = store_file($stack, $media, $company{acme}, $photo, file_name => "Foto \e[31m.jpg", mime_type => 'image/jpeg', session_id => $session,
    media_id => 'meta-1', created_at => '2026-01-02T00:00:00Z');
my $empty = store_file($stack, $media, $company{acme}, '', response_id => $response, media_id => '902');
my $theirs = store_file($stack, $media, $company{other}, 'of others');
my %lacking = map { $_ => store_file($stack, $media, $company{acme}, 'x', status => $_, file_key => undef, size => undef, reason => $_ eq 'failed' ? 'its hash is wrong' : undef) } qw(pending failed);
my @get = ('--company', 'acme', '--media-dir', $media);

sub listed { my ($name, @args) = @_; return ctl_ok($stack, ['media', 'list', '--company', 'acme', '--json', @args], $name)->{data} }
sub audits { return $dbh->selectall_arrayref(q{select company_id, actor, resource_type, resource_id from wflows.audit_logs where action = 'media.read' order by seq}, { Slice => {} }) }

# ---- list -------------------------------------------------------------------------------------------------

my $all = listed('media list');
is(scalar @$all, 4, 'all of the company, and of no other');
my ($shown) = grep { $_->{id} eq $id } @$all;
is_deeply([@{$shown}{qw(media_id mime_type size status session_id created_at)}], ['meta-1', 'image/jpeg', length $photo, 'stored', $session, '2026-01-02T00:00:00.000000Z'], 'with what it is');
is($all->[-1]{id}, $id, 'the oldest last');
is_deeply([grep { /key|reference/ } map { keys %$_ } @$all], [], 'and no keys');
is_deeply([map { $_->{id} } @{ listed('--session', '--session', $session) }], [$id], 'of a session');
is_deeply([map { $_->{id} } @{ listed('--response', '--response', $response) }], [$empty], 'of answers');
is_deeply([map { "$_->{id} $_->{reason}" } @{ listed('--status', '--status', 'failed') }], ["$lacking{failed} its hash is wrong"], 'of a status, with the reason');
is(scalar @{ listed('--limit', '--limit', 2) }, 2, 'so many');
my $table = ctl_ok($stack, ['media', 'list', '--company', 'acme', '--session', $session], 'for people')->{out};
like($table, qr/^\Q$id\E +stored +image\/jpeg +200005 +Foto \?\[31m\.jpg +2026-01-02T/m, 'a line for each; a name does not drive the terminal');
like(ctl_ok($stack, ['media', 'list', '--company', 'acme', '--session', $response], 'none')->{err}, qr/no such file/, 'none is said');
ctl_fails($stack, ['media', 'list', '--company', 'acme', '--session', 'x'], 2, qr/--session: 'x' is no id/, 'what is no id is 2');
ctl_fails($stack, ['media', 'list', '--company', 'nobody', '--json'], 4, qr/no company 'nobody'/, 'an unknown company is 4');
is_deeply(audits(), [], 'a list reads no file');

# ---- get --------------------------------------------------------------------------------------------------

my $out = "$dir/out.jpg";
my $got = ctl_ok($stack, ['media', 'get', $id, @get, '--out', $out, '--json'], 'media get');
is_deeply([@{$got}{qw(id mime_type size out)}], [$id, 'image/jpeg', length $photo, $out], 'says what it wrote');
ok(read_file($out) eq $photo, 'which is what was sent');
is(sprintf('%04o', (stat $out)[2] & 07777), '0600', 'for nobody else to read');
my ($audit, @more) = @{ audits() };
is_deeply([@{$audit}{qw(company_id resource_type resource_id)}, scalar @more], [$company{acme}, 'media', $id, 0], 'the audit row names it');
like($audit->{actor}, qr/^wflowsctl:/, 'and who read it');
write_file($out, 'mine');
ctl_fails($stack, ['media', 'get', $id, @get, '--out', $out, '--json'], 6, qr/exists already/, 'a file that is there is 6');
is(read_file($out), 'mine', 'and stays');
symlink("$dir/elsewhere", "$dir/link");
ctl_fails($stack, ['media', 'get', $id, @get, '--out', "$dir/link"], 6, qr/exists already/, 'a link too, wherever it leads');
ok(!-e "$dir/elsewhere", 'nothing is written there');
is(scalar @{ audits() }, 1, 'nobody has read anything then');
ok(ctl_ok($stack, ['media', 'get', 'meta-1', @get], 'by Meta\'s id, to standard output')->{out} eq $photo, 'byte for byte');
is(ctl_ok($stack, ['media', 'get', $empty, @get], 'an empty file')->{out}, '', 'is empty');
is(scalar @{ audits() }, 3, 'each reading has its row');
ctl_fails($stack, ['media', 'get', $id, @get, '--json'], 2, qr/name where they go/, 'a document holds no bytes: 2');

my $new = "$dir/new";
for my $case ([$theirs, 4, qr/no such file/, 'another company\'s'], ['nothing', 4, qr/no such file/, 'an unknown one'],
    [$lacking{pending}, 6, qr/not here: pending$/m, 'one that is still to be fetched'], [$lacking{failed}, 6, qr/not here: failed, its hash is wrong/, 'one that could not be had']) {
    ctl_fails($stack, ['media', 'get', $case->[0], @get, '--out', $new, '--json'], $case->[1], $case->[2], "$case->[3] is $case->[1]");
    ok(!-e $new, 'nothing is left');
}
is(scalar @{ audits() }, 3, 'and nobody has read it');

my $path = "$media/$company{acme}/$id";
my $sealed = read_file($path);
my $spoil = $sealed;
substr($spoil, -5, 1) ^= "\x01";
for my $case ([$spoil, 'changed in its last piece'], [substr($sealed, 0, 4 + 2 * 65552), 'cut off after a piece'], [read_file("$media/$company{other}/$theirs"), 'exchanged for another']) {
    write_file($path, $case->[0]);
    my $r = $stack->ctl_raw(['media', 'get', $id, @get, '--out', $new]);
    is($r->{rc}, 7, "one that was $case->[1] is 7") or diag($r->{err});
    ok(!-e $new, 'nothing of it is left');
}
unlink $path;
ctl_fails($stack, ['media', 'get', $id, @get, '--out', $new], 4, qr/cannot open/, 'one that is not on the disk any more is 4');

# ---- where the files are ----------------------------------------------------------------------------------

ctl_fails($stack, ['media', 'get', $empty, '--company', 'acme'], 3, qr/no WflowsFlowMediaDir/, 'no folder is known: 3');
my $conf = write_file("$dir/ctl.conf", read_file("$stack->{dir}/ctl.conf") . "WflowsFlowMediaDir media\n", 0600);
ctl_fails($stack, ['media', 'get', $empty, '--company', 'acme', '--config', $conf], 3, qr/relative to httpd's ServerRoot/, 'a relative one is 3');
$conf = write_file("$dir/ctl2.conf", read_file("$stack->{dir}/ctl.conf") . "WflowsFlowMediaDir \"$media\"\n", 0600);
is(ctl_ok($stack, ['media', 'get', $empty, '--company', 'acme', '--config', $conf], 'the folder of httpd\'s configuration')->{out}, '', 'is used');

done_testing;

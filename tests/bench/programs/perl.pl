# Regular expressions, hashes, sorting, string building.
use strict;
use warnings;

my $n = shift;
my (%count, @lines);
my $seed = 42;
for my $i (1 .. $n) {
    $seed = ($seed * 1103515245 + 12345) % 2147483648;
    push @lines, sprintf("%05d user%d GET /page/%d?id=%d HTTP/1.1 %d", $i, $seed % 97, $seed % 1009, $seed % 7, $seed % 65536);
}
for (@lines) {
    next unless m{^(\d+) (user\d+) GET (/\S+?)\?id=(\d) HTTP/1\.[01] (\d+)$};
    $count{$2} += $5;
    $count{"$3-$4"}++;
    (my $t = $_) =~ tr/a-z/A-Z/;
    $count{length($t)}++ if $t =~ /7{2,}/;
}
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 4];
print join(" ", map { "$_=$count{$_}" } @top), " ", scalar(keys %count), "\n";

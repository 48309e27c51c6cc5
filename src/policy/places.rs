//! Where a number is: its time zones, and who of the North American plan lives outside of the
//! United States and Canada.
//!
//! Area codes and their places are NANPA's and the Canadian Numbering Administrator's; zones have
//! the names of the IANA time zone database. An area that lies in several zones is in the list of
//! each. Counties that keep another time than the law says are not taken into account.

use super::{never::is_toll_free, number::Called};

/// The area codes of the United States, their territories and Canada by time zone.
const AREAS: [(&str, &str); 24] = [
    (
        "America/New_York",
        "201 202 203 207 212 215 216 220 223 227 229 231 234 239 240 248 252 260 267 269 270 272 \
         276 283 301 302 304 305 313 315 317 321 324 326 329 330 332 336 339 347 351 352 363 364 \
         380 386 401 404 407 410 412 413 419 423 434 436 440 443 445 448 463 465 470 472 475 478 \
         484 502 508 513 516 517 518 540 551 561 567 570 571 574 582 585 586 603 606 607 609 610 \
         614 616 617 624 631 640 645 646 656 667 678 679 680 681 686 689 703 704 706 716 717 718 \
         724 727 728 729 732 734 740 743 754 757 762 765 770 771 772 774 781 786 802 803 804 810 \
         812 813 814 821 826 828 835 838 839 843 845 848 850 854 856 857 859 860 862 863 864 865 \
         878 904 906 908 910 912 914 917 919 929 930 934 937 941 943 947 948 954 959 973 978 980 \
         984 989",
    ),
    (
        "America/Chicago",
        "205 210 214 217 218 219 224 225 228 235 251 254 256 262 270 274 281 308 309 312 314 316 \
         318 319 320 325 327 331 334 337 346 353 361 364 402 405 409 414 417 423 430 432 447 448 \
         457 464 469 471 479 483 501 504 507 512 515 531 534 539 557 563 572 573 574 580 601 605 \
         606 608 612 615 618 620 621 629 630 636 641 651 659 660 662 682 701 708 712 713 715 726 \
         729 730 731 737 763 769 773 779 785 806 812 815 816 817 830 832 847 850 861 870 872 901 \
         903 906 913 918 920 924 930 931 936 938 940 945 952 956 972 975 979 985",
    ),
    (
        "America/Denver",
        "208 303 307 308 385 406 435 458 505 541 575 605 620 701 719 720 748 775 785 801 915 928 \
         970 983 986",
    ),
    ("America/Phoenix", "480 520 602 623 928"),
    (
        "America/Los_Angeles",
        "206 208 209 213 253 279 310 323 341 350 357 360 369 408 415 424 425 442 458 503 509 510 \
         530 541 559 562 564 619 626 628 650 657 661 669 702 707 714 725 738 747 760 775 805 818 \
         820 831 837 840 858 909 916 925 949 951 971 986",
    ),
    ("America/Anchorage", "907"),
    ("America/Adak", "907"),
    ("Pacific/Honolulu", "808"),
    ("America/Puerto_Rico", "273 340 367 418 581 787 939"),
    ("Pacific/Guam", "671"),
    ("Pacific/Saipan", "670"),
    ("Pacific/Pago_Pago", "684"),
    (
        "America/Toronto",
        "226 249 263 273 289 343 354 365 367 382 416 418 437 438 450 468 514 519 548 579 581 \
         613 647 683 705 742 753 807 819 867 873 905 942",
    ),
    ("America/Atikokan", "807"),
    ("America/Winnipeg", "204 431 584 807 867"),
    ("America/Regina", "306 474 639"),
    ("America/Edmonton", "236 250 257 306 368 403 474 587 639 672 778 780 825 867"),
    ("America/Fort_Nelson", "236 250 257 672 778"),
    ("America/Vancouver", "236 250 257 604 672 778"),
    ("America/Whitehorse", "867"),
    ("America/Halifax", "273 367 418 428 506 581 709 782 879 902"),
    ("America/St_Johns", "709 879"),
    ("America/Iqaluit", "867"),
    ("America/Resolute", "867"),
];

/// The zones of a number that may be answered anywhere in the contiguous United States.
const CONTIGUOUS: [&str; 4] =
    ["America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"];

/// Area codes of the North American plan that `1` among the allowed countries does not mean: the
/// Caribbean and Bermuda, which carriers charge like calls abroad, and numbers that belong to no
/// place. With whose they are, and their zone if there is one.
const ELSEWHERE: [(&str, &str, Option<&str>); 20] = [
    ("242", "the Bahamas", Some("America/Nassau")),
    ("246", "Barbados", Some("America/Barbados")),
    ("264", "Anguilla", Some("America/Anguilla")),
    ("268", "Antigua and Barbuda", Some("America/Antigua")),
    ("284", "the British Virgin Islands", Some("America/Tortola")),
    ("345", "the Cayman Islands", Some("America/Cayman")),
    ("441", "Bermuda", Some("Atlantic/Bermuda")),
    ("473", "Grenada", Some("America/Grenada")),
    ("649", "the Turks and Caicos Islands", Some("America/Grand_Turk")),
    ("658 876", "Jamaica", Some("America/Jamaica")),
    ("664", "Montserrat", Some("America/Montserrat")),
    ("721", "Sint Maarten", Some("America/Lower_Princes")),
    ("758", "Saint Lucia", Some("America/St_Lucia")),
    ("767", "Dominica", Some("America/Dominica")),
    ("784", "Saint Vincent and the Grenadines", Some("America/St_Vincent")),
    ("809 829 849", "the Dominican Republic", Some("America/Santo_Domingo")),
    ("868", "Trinidad and Tobago", Some("America/Port_of_Spain")),
    ("869", "Saint Kitts and Nevis", Some("America/St_Kitts")),
    (
        "500 521 522 523 524 525 526 527 528 529 532 533 544 566 577 588",
        "personal numbers, which follow their owner at the caller's cost",
        None,
    ),
    ("600 622 633 710", "numbers without a place", None),
];

/// The time zones of countries, by code; of those with several, all in which more than a few people
/// live. A country that is not here has no hours that we know.
const COUNTRIES: [(&str, &str); 88] = [
    ("20", "Africa/Cairo"),
    ("27", "Africa/Johannesburg"),
    ("30", "Europe/Athens"),
    ("31", "Europe/Amsterdam"),
    ("32", "Europe/Brussels"),
    ("33", "Europe/Paris"),
    ("34", "Europe/Madrid Atlantic/Canary"),
    ("36", "Europe/Budapest"),
    ("39", "Europe/Rome"),
    ("40", "Europe/Bucharest"),
    ("41", "Europe/Zurich"),
    ("43", "Europe/Vienna"),
    ("44", "Europe/London"),
    ("45", "Europe/Copenhagen"),
    ("46", "Europe/Stockholm"),
    ("47", "Europe/Oslo"),
    ("48", "Europe/Warsaw"),
    ("49", "Europe/Berlin"),
    ("51", "America/Lima"),
    ("52", "America/Mexico_City America/Cancun America/Hermosillo America/Tijuana"),
    ("54", "America/Argentina/Buenos_Aires"),
    ("55", "America/Sao_Paulo America/Manaus America/Rio_Branco America/Noronha"),
    ("56", "America/Santiago America/Punta_Arenas Pacific/Easter"),
    ("57", "America/Bogota"),
    ("58", "America/Caracas"),
    ("60", "Asia/Kuala_Lumpur"),
    (
        "61",
        "Australia/Sydney Australia/Brisbane Australia/Adelaide Australia/Darwin Australia/Perth",
    ),
    ("62", "Asia/Jakarta Asia/Makassar Asia/Jayapura"),
    ("63", "Asia/Manila"),
    ("64", "Pacific/Auckland"),
    ("65", "Asia/Singapore"),
    ("66", "Asia/Bangkok"),
    ("81", "Asia/Tokyo"),
    ("82", "Asia/Seoul"),
    ("84", "Asia/Ho_Chi_Minh"),
    ("86", "Asia/Shanghai"),
    ("90", "Europe/Istanbul"),
    ("91", "Asia/Kolkata"),
    ("92", "Asia/Karachi"),
    ("94", "Asia/Colombo"),
    ("212", "Africa/Casablanca"),
    ("213", "Africa/Algiers"),
    ("216", "Africa/Tunis"),
    ("233", "Africa/Accra"),
    ("234", "Africa/Lagos"),
    ("254", "Africa/Nairobi"),
    ("350", "Europe/Gibraltar"),
    ("351", "Europe/Lisbon Atlantic/Azores"),
    ("352", "Europe/Luxembourg"),
    ("353", "Europe/Dublin"),
    ("354", "Atlantic/Reykjavik"),
    ("355", "Europe/Tirane"),
    ("356", "Europe/Malta"),
    ("357", "Asia/Nicosia"),
    ("358", "Europe/Helsinki"),
    ("359", "Europe/Sofia"),
    ("370", "Europe/Vilnius"),
    ("371", "Europe/Riga"),
    ("372", "Europe/Tallinn"),
    ("373", "Europe/Chisinau"),
    ("376", "Europe/Andorra"),
    ("377", "Europe/Monaco"),
    ("380", "Europe/Kyiv"),
    ("381", "Europe/Belgrade"),
    ("382", "Europe/Podgorica"),
    ("385", "Europe/Zagreb"),
    ("386", "Europe/Ljubljana"),
    ("387", "Europe/Sarajevo"),
    ("389", "Europe/Skopje"),
    ("420", "Europe/Prague"),
    ("421", "Europe/Bratislava"),
    ("423", "Europe/Vaduz"),
    ("502", "America/Guatemala"),
    ("503", "America/El_Salvador"),
    ("504", "America/Tegucigalpa"),
    ("506", "America/Costa_Rica"),
    ("507", "America/Panama"),
    ("591", "America/La_Paz"),
    ("593", "America/Guayaquil"),
    ("595", "America/Asuncion"),
    ("598", "America/Montevideo"),
    ("852", "Asia/Hong_Kong"),
    ("880", "Asia/Dhaka"),
    ("886", "Asia/Taipei"),
    ("966", "Asia/Riyadh"),
    ("971", "Asia/Dubai"),
    ("972", "Asia/Jerusalem"),
    ("995", "Asia/Tbilisi"),
];

/// The zones in which the called party may be; none if we do not know.
pub fn zones(called: &Called) -> Vec<&'static str> {
    let Some(number) = called.nanp() else {
        let country = COUNTRIES.iter().find(|(code, _)| *code == called.country());
        return country.map_or(Vec::new(), |(_, zones)| zones.split_whitespace().collect());
    };
    if is_toll_free(number.area) {
        return CONTIGUOUS.to_vec();
    }
    if let Some((_, _, zone)) = elsewhere_entry(number.area) {
        return zone.iter().copied().collect();
    }
    let here = AREAS.iter().filter(|(_, areas)| lists(areas, number.area));
    here.map(|(zone, _)| *zone).collect()
}

/// Whose an area code is that `1` among the allowed countries does not mean.
pub fn elsewhere(area: &str) -> Option<&'static str> {
    elsewhere_entry(area).map(|(_, whose, _)| whose)
}

/// Whether numbers of ten digits that begin so are of the North American plan.
pub fn is_assigned(area: &str) -> bool {
    is_toll_free(area)
        || area == "900"
        || elsewhere_entry(area).is_some()
        || AREAS.iter().any(|(_, areas)| lists(areas, area))
}

fn elsewhere_entry(area: &str) -> Option<(&'static str, &'static str, Option<&'static str>)> {
    ELSEWHERE.into_iter().find(|(areas, _, _)| lists(areas, area))
}

fn lists(codes: &str, code: &str) -> bool {
    codes.split_whitespace().any(|listed| listed == code)
}

/// Every zone that a number may be in.
#[cfg(test)]
pub(super) fn all_zones() -> impl Iterator<Item = &'static str> {
    let areas = AREAS.iter().map(|(zone, _)| *zone);
    let elsewhere = ELSEWHERE.iter().filter_map(|(_, _, zone)| *zone);
    let countries = COUNTRIES.iter().flat_map(|(_, zones)| zones.split_whitespace());
    areas.chain(elsewhere).chain(countries)
}

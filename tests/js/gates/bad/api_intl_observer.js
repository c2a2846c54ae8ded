new IntersectionObserver(function () {});

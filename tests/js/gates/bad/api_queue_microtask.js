queueMicrotask(function () {});

var { a } = window;
